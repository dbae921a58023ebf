"""A password is typed at a terminal; where there is none it comes on standard input, or the command says so."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from rwd_platform.cli.deployment import PASSWORD_NEEDED
from rwd_platform.demo.people import give_new_passwords
from rwd_platform.flows.platform import open_platform
from rwd_platform.settings import Settings
from tests.cli.calling import is_chinese

ROOT = Path(__file__).parents[2]
LIST = ("break-glass", "list", "--login", "privacy")


def started(home: Path, *words: str, stdin: int, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """A process of its own session, so that there is no terminal behind its back either."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "RWD_HOME": str(home),
        "RWD_DEMO": "true",
    }
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-m", "rwd_platform.cli.main", *words],
        env=environment,
        start_new_session=True,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )
    return process


def password_of(login: str) -> str:
    platform = open_platform(Settings())
    found = {name: password for name, _, password in give_new_passwords(platform)}[login]
    platform.records.engine.dispose()
    return found


@pytest.mark.parametrize("as_json", [True, False])
def test_without_a_terminal_and_without_a_password_the_way_is_named(home: Path, as_json: bool) -> None:
    """Exit 2, in both languages; not the warning of a library, and not the exit code of an interruption."""
    process = started(home, *LIST, *(["--json"] if as_json else []), stdin=subprocess.DEVNULL)
    out, err = (stream.decode("utf-8") for stream in process.communicate(timeout=60))
    assert process.returncode == 2
    assert PASSWORD_NEEDED.zh in err and PASSWORD_NEEDED.en in err
    assert "GetPassWarning" not in err and "Traceback" not in err
    if as_json:
        error = json.loads(out)["error"]
        assert error["code"] == "cli.password_needed" and len(err.splitlines()) == 1
        assert is_chinese(error["next_zh"]) and "standard input" in error["next_en"]
    else:
        assert out == "" and PASSWORD_NEEDED.next_zh in err and PASSWORD_NEEDED.next_en in err


@pytest.mark.parametrize("end", ["\n", "\r\n", ""], ids=["LF", "CRLF", "no line end"])
def test_a_password_may_come_on_standard_input(home: Path, end: str) -> None:
    """Its first line, whatever wrote it; nothing of it is shown."""
    password = password_of("privacy")
    process = started(home, *LIST, "--json", stdin=subprocess.PIPE)
    out, err = process.communicate((password + end).encode(), timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize(
    "given", [b"another one\n", b"\xff\xfe\n", b"x" * 10_000], ids=["wrong", "no UTF-8", "long"]
)
def test_a_wrong_password_is_refused_and_not_repeated(home: Path, given: bytes) -> None:
    password_of("privacy")
    process = started(home, *LIST, "--json", stdin=subprocess.PIPE)
    out, err = process.communicate(given, timeout=60)
    assert process.returncode == 3 and json.loads(out)["error"]["code"]
    assert b"Traceback" not in err and given.strip() not in out + err


def test_at_a_terminal_it_is_asked_for_and_not_shown(home: Path) -> None:
    """The question is in both languages; what is typed leaves no trace on the screen."""
    password = password_of("privacy")
    ours, theirs = pty.openpty()
    process = started(home, *LIST, stdin=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    # Typed earlier it would be thrown away: the blank after the question says that what is typed is hidden now.
    while not shown.endswith("密码 · password: ".encode()):
        assert select.select([ours], [], [], 60)[0], shown
        shown += os.read(ours, 1024)
    os.write(ours, password.encode() + b"\n")
    out, _ = process.communicate(timeout=60)
    shown += os.read(ours, 1024)
    os.close(ours)
    assert (process.returncode, out) == (0, b""), shown
    assert password.encode() not in shown


@pytest.mark.parametrize("word", ["--approve", "--refuse", "--yes", "--no"])
def test_a_vote_may_be_given_in_the_words_of_the_contract(home: Path, word: str) -> None:
    """Both pairs of words are understood: what is missing is the request, not the option."""
    password = password_of("privacy")
    words = ("break-glass", "vote", "none", word, "--reason", "x", "--login", "privacy", "--json")
    process = started(home, *words, stdin=subprocess.PIPE)
    out, _ = process.communicate(password.encode(), timeout=60)
    assert process.returncode in (2, 3) and json.loads(out)["error"]["code"] != "cli.usage"
