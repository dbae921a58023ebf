"""The deployment that a command works on, and who calls it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rwd_platform.flows.platform import Platform
    from rwd_platform.log.entry import Actor


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
    import typer

    from rwd_platform.access.sessions import log_in, log_out

    password = typer.prompt("密码 · password", hide_input=True, err=True)
    with deployment() as platform:
        found = log_in(platform.records, login=login, password=password)
        try:
            yield platform, found.actor
        finally:
            log_out(platform.records, found.token)
