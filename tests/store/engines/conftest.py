"""A real Spark cluster on this machine: one master and one worker, processes of their own, stopped at the end."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.store.engines import spark

# Small tables: what Spark and Java do to be fast on large ones only takes time here.
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
START_SECONDS = 300  # on a machine that has other work
SETTINGS = {
    "spark.driver.extraJavaOptions": QUICK_START,
    "spark.executor.extraJavaOptions": QUICK_START,
    "spark.sql.shuffle.partitions": "1",
    "spark.default.parallelism": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.executor.memory": "700m",
    "spark.driver.memory": "1g",
}


class Daemon:
    """A process of Spark's that has said that it is ready."""

    def __init__(self, folder: Path, ready: str, *arguments: str) -> None:
        import pyspark

        home = Path(pyspark.__file__).parent
        loopback = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
        self.process = subprocess.Popen(
            [str(home / "bin" / "spark-class"), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={
                **os.environ,
                **loopback,
                "SPARK_DAEMON_MEMORY": "384m",
                "SPARK_DAEMON_JAVA_OPTS": QUICK_START,
            },
        )
        self.is_ready = threading.Event()
        self.said = deque[str](maxlen=20)
        threading.Thread(target=self._listen, args=(ready,), daemon=True).start()

    def _listen(self, ready: str) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if ready in line:
                self.is_ready.set()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the master; its one worker has two cores."""
    try:
        spark.check_installed()
    except PlatformError as missing:
        pytest.skip(f"{missing.en} {missing.next_en}")  # the problem says what is not installed, and how to
    folder = tmp_path_factory.mktemp("spark")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    here = ("--host", "127.0.0.1", "--webui-port", "0")
    deploy = "org.apache.spark.deploy"
    daemons = []
    try:
        daemons.append(
            Daemon(folder, "elected leader", f"{deploy}.master.Master", *here, "--port", str(port))
        )
        assert daemons[0].is_ready.wait(START_SECONDS), "".join(daemons[0].said)
        size = ("--cores", "2", "--memory", "1g", "--work-dir", str(folder))
        daemons.append(
            Daemon(folder, "Successfully registered", f"{deploy}.worker.Worker", *here, *size, address)
        )
        assert daemons[1].is_ready.wait(START_SECONDS), "".join(daemons[1].said)
        yield address
    finally:
        for daemon in reversed(daemons):
            daemon.stop()


@pytest.fixture(scope="session")
def session(cluster: str) -> Iterator[Any]:
    """One session on the cluster for every test: to start one takes many seconds."""
    with spark.session(cluster, SETTINGS) as started:
        yield started
