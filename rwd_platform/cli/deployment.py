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

from rwd_platform.core.errors import Exit, Problem

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
CODE_NEEDED = Problem(
    code="cli.code_needed",
    zh="此账号登录还需要动态验证码，但没有可输入的终端，标准输入中也没有第二行。",
    en="This account logs in with a code as well; there is no terminal to type it at, and standard input has no second"
    " line.",
    next_zh="请在终端中运行；自动运行时，将验证码作为标准输入的第二行给出。",
    next_en="Run it at a terminal; where nobody types, give the code as the second line of standard input.",
)
ENROL_ON_THE_PAGE = Problem(
    code="cli.enrol_first",
    zh="此角色必须使用动态验证码，而该账号还没有设置。",
    en="This role has to use a second factor, and the account has none.",
    next_zh="请先在网页登录并完成设置，再使用命令行。",
    next_en="Log in to the pages and set it up, then use the command line.",
    http=403,
    exit=Exit.REFUSED,
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


def researcher(platform: Platform) -> Actor:
    """Whoever may use this command line works here as a researcher of the operator: operators may not study."""
    from rwd_platform.log.entry import Actor

    return Actor(caller(), "researcher", platform.settings.operator)


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
    from rwd_platform.access.second_factor import must_enrol
    from rwd_platform.access.sessions import HalfLogin, finish_log_in, log_in, log_out
    from rwd_platform.flows.whereabouts import abroad

    password = _password()
    with deployment() as platform:
        # This machine is within the country; whose organisation is not acts from abroad here too.
        place = lambda user: abroad(platform, user.organisation_id, None)  # noqa: E731 - it needs the platform
        made = log_in(platform.records, login=login, password=password, abroad=place)
        found = (
            finish_log_in(platform.records, made.token, _secret("验证码 · code: ", CODE_NEEDED), abroad=place)
            if isinstance(made, HalfLogin)
            else made
        )
        try:
            if must_enrol(platform.records, found.user, required=platform.settings.second_factor_required):
                raise ENROL_ON_THE_PAGE.error()
            yield platform, found.actor
        finally:
            log_out(platform.records, found.token)


def _password() -> str:
    return _secret("密码 · password: ", PASSWORD_NEEDED)


def typed(question: str, needed: Problem) -> str:
    """Something else that stands on no command line: typed unseen, or the next line of standard input."""
    return _secret(question, needed)


def _secret(question: str, needed: Problem) -> str:
    """Typed at the terminal without being shown; where there is no terminal, the next line of standard input.

    Neither an option nor an environment variable: other programs could read those.
    """
    import typer

    # Without a terminal getpass would warn, in English, and echo what is typed: its warning ends the attempt instead.
    question = question if sys.stderr.isatty() else ""
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return str(typer.prompt(question, prompt_suffix="", hide_input=True, err=True))
        except GetPassWarning:
            pass
    said = _next_line()
    if not said:
        raise needed.error()
    return said


def _next_line() -> str:
    """Of standard input, without its line end; "" where it is closed or nothing comes.

    Byte by byte and past Python's buffer: what stands behind the line is left for the next question.
    """
    line = bytearray()
    try:
        number = sys.stdin.fileno()
        while len(line) < _LONGEST_PASSWORD and not line.endswith(b"\n"):
            if not select.select([number], [], [], _PATIENCE_SECONDS)[0]:
                return ""
            byte = os.read(number, 1)
            if not byte:
                break
            line += byte
    except (AttributeError, OSError, TypeError, ValueError):  # closed, or no file of the system's
        return ""
    return line.decode("utf-8", "replace").rstrip("\r\n")
