"""`rwd serve`: the pages and one worker beside them. In a demo home, the demo's people can log in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rwd_platform.core.errors import Exit, Problem

DEMO_MARK = ".rwd-demo"

PORT_TAKEN = Problem(
    code="serve.port_taken",
    zh="端口 {port} 已被占用。",
    en="Port {port} is taken.",
    next_zh="请停止占用它的程序，或换一个：./run serve --port 8001。",
    next_en="Stop the program that holds it, or take another: ./run serve --port 8001.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def serve_home(
    home: Path | None, host: str, port: int, say: Callable[[str], None], *, with_worker: bool
) -> int:
    """Serve until interrupted. A home that the demo made runs with the demo key.

    So does an empty one, unless a root key is there: then it is the beginning of a real deployment.
    """
    from rwd_platform.settings import load_settings

    if home is not None:
        os.environ["RWD_HOME"] = str(home)
        fresh = not home.exists() or not any(home.iterdir())
        if (fresh and not load_settings().has_own_key) or (home / DEMO_MARK).exists():
            os.environ["RWD_DEMO"] = "true"
            home.mkdir(parents=True, exist_ok=True)
            (home / DEMO_MARK).touch()
    settings = load_settings()
    _check_port(host, port)
    if settings.demo:
        _show_demo_people(say)
    command = [sys.executable, "-m", "rwd_platform.cli.main", "work"]
    worker = subprocess.Popen(command) if with_worker else None  # noqa: S603 - our own program
    # uvicorn raises the signal again when it is done: it must end here, so that the worker ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.YES))
    try:
        import uvicorn

        say(f"→ http://{host}:{port}")
        uvicorn.run(
            "rwd_platform.server.app:app_from_environment",
            factory=True,
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
        )
    finally:
        if worker is not None:
            worker.terminate()
            worker.wait(timeout=30)
    return Exit.YES


def _check_port(host: str, port: int) -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PORT_TAKEN.error(port=port) from None


def _show_demo_people(say: Callable[[str], None]) -> None:
    from rwd_platform.cli.deployment import deployment
    from rwd_platform.demo.people import give_new_passwords

    with deployment() as platform:
        for login, role, password in give_new_passwords(platform):
            say(f"  {role:<12} {login:<14} {password}")
