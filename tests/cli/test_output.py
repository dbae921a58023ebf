"""How the command line speaks: answers on stdout, everything else on stderr, errors as cards."""

from __future__ import annotations

import json
import sys

import pytest

from rwd_platform.cli.main import DISK_FULL, main
from rwd_platform.cli.output import Terminal, answer, say, show
from tests.cli.calling import Rwd


def test_an_answer_is_one_line_of_utf_8(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    answer({"zh": "乐城", "n": [1, 2]})
    out, err = capsysbinary.readouterr()
    assert out == '{"zh":"乐城","n":[1,2]}\n'.encode()
    assert err == b""


def test_a_name_that_is_no_utf_8_does_not_break_the_answer(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """A file name of another encoding arrives as lone surrogates; the answer stays valid UTF-8."""
    answer({"file": b"\xc0\xd6.json".decode("utf-8", "surrogateescape")})
    assert json.loads(capsysbinary.readouterr().out.decode("utf-8"))["file"].endswith(".json")


def test_what_is_said_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("完成")
    assert capsys.readouterr() == ("", "完成\n")


@pytest.mark.parametrize("as_json", [True, False])
def test_an_error_is_a_card_with_its_code(as_json: bool, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    show(DISK_FULL.error(), as_json=as_json)
    out, err = capsysbinary.readouterr()
    assert bool(out) is as_json
    for part in (DISK_FULL.zh, DISK_FULL.en, DISK_FULL.next_zh, DISK_FULL.next_en, DISK_FULL.code):
        assert part.encode() in err


def test_the_step_in_hand_is_for_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log file gets the finished steps alone; on a terminal the line of the step makes room for them."""
    quiet = Terminal()
    quiet.begin("lock")
    quiet.say("locked")
    assert capsys.readouterr() == ("", "locked\n")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = Terminal()
    shown.begin("lock")
    shown.say("locked")
    out, err = capsys.readouterr()
    assert out == "" and err == "  … lock\r\x1b[Klocked\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError(28, "full"), 4), (PermissionError(13, "no", "/x/secret.key"), 2), (BrokenPipeError(), 0)],
    ids=["disk full", "not readable", "reader gone"],
)
def test_what_the_system_refuses_has_its_exit_code(
    rwd: Rwd, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("rwd_platform.settings.load_settings", fails)
    answer = rwd("doctor")
    assert answer.code == code
    assert "/x/" not in answer.stderr, "the name is said, not the whole path"


def test_an_unexpected_error_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch, rwd: Rwd) -> None:
    def fails() -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr("rwd_platform.settings.load_settings", fails)
    monkeypatch.setattr(sys, "argv", ["rwd", "doctor"])
    with pytest.raises(OSError, match="input/output"):
        main()
