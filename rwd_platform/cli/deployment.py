"""The deployment that a command works on, and who calls it."""

from __future__ import annotations

import os
import pwd
import select
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import GetPassWarning
from typing import TYPE_CHECKING

from rwd_platform.core.errors import Problem

if TYPE_CHECKING:
    from rwd_platform.flows.platform import Platform
    from rwd_platform.log.entry import Actor

PASSWORD_NEEDED = Problem(
    code="cli.password_needed",
    zh="此命令需要密码，但没有可输入密码的终端，标准输入中也没有密码。",
    en="This command needs a password; there is no terminal to type it at, and none came on standard input.",
    next_zh="请在终端中运行；自动运行时，将密码作为标准输入的第一行给出，例如在命令末尾加 `< 密码文件`（仅本人可读）。",
    next_en="Run it at a terminal; where nobody types, give the password as the first line of standard input, "
    "for example by adding `< PASSWORD_FILE` (a file that only you can read).",
)
_LONGEST_PASSWORD = 4096  # bytes
_PATIENCE_SECONDS = 10.0  # a scheduler may leave a pipe open into which nobody will ever write


def caller() -> str:
    """The actor's id in the log: the account of the operating system that runs the command.

    From the user id and not from the environment, where anybody may call themselves anything.
    """
    number = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(number).pw_name}"
    except KeyError:  # a container may run under a number that has no name
        return f"cli:uid-{number}"


@contextmanager
def deployment() -> Iterator[Platform]:
    """Open the deployment; sign the log's head at the end, so that what the command did can be verified.

    A command that failed has written too: its refusal is in the log.
    """
    from rwd_platform.audit.checkpoints import make_checkpoint
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.settings import load_settings

    platform = open_platform(load_settings())
    try:
        with platform.layout.scratch_of_libraries():
            yield platform
    finally:
        if platform.records.log_entries(limit=1):
            make_checkpoint(platform.records, platform.log_signer, "command")
        platform.records.engine.dispose()


@contextmanager
def person(login: str) -> Iterator[tuple[Platform, Actor]]:
    """The deployment and who logged in with their password; the login ends with the command.

    For what takes two people: an account of the operating system may be several people's, or one's second.
    """
    from rwd_platform.access.sessions import log_in, log_out

    password = _password()
    with deployment() as platform:
        found = log_in(platform.records, login=login, password=password)
        try:
            yield platform, found.actor
        finally:
            log_out(platform.records, found.token)


def _password() -> str:
    """Typed at the terminal without being shown; where there is no terminal, the first line of standard input.

    Neither an option nor an environment variable: other programs could read those.
    """
    import typer

    # Without a terminal getpass would warn, in English, and echo what is typed: its warning ends the attempt instead.
    question = "密码 · password: " if sys.stderr.isatty() else ""
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return str(typer.prompt(question, prompt_suffix="", hide_input=True, err=True))
        except GetPassWarning:
            pass
    password = _first_line()
    if not password:
        raise PASSWORD_NEEDED.error()
    return password


def _first_line() -> str:
    """Of standard input, without its line end; "" where it is closed or nothing comes."""
    try:
        if not select.select([sys.stdin], [], [], _PATIENCE_SECONDS)[0]:
            return ""
        line = sys.stdin.buffer.readline(_LONGEST_PASSWORD)
    except (AttributeError, OSError, TypeError, ValueError):  # closed, or no file of the system's
        return ""
    return line.decode("utf-8", "replace").rstrip("\r\n")
