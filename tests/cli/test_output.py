"""How the command line speaks: answers on stdout, in words or as JSON; warnings, progress and errors on stderr."""

from __future__ import annotations

import io
import json
import sys

import pytest

from rwd_platform.cli.files import DISK_FULL
from rwd_platform.cli.main import main
from rwd_platform.cli.output import Terminal, answer, note, say, show, speaking, sum_up
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


def test_an_answer_in_words_is_on_stdout_and_a_warning_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """`rwd ... > FILE` keeps the answer; what is said on the way still reaches the person."""
    say("完成")
    sum_up("1 条 · 1 record")
    note("警告", "warning")
    assert capsys.readouterr() == ("完成\n1 条 · 1 record\n", "警告\nwarning\n")


def test_beside_json_nothing_is_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """One line sums up for a person, on stderr; a warning is one line too."""
    with speaking(as_json=True):
        say("完成")
        sum_up("1 条 · 1 record")
        note("警告", "warning")
    assert capsys.readouterr() == ("", "1 条 · 1 record\n警告 warning\n")
    say("again in words")
    assert capsys.readouterr().out == "again in words\n"


def test_a_sign_that_the_terminal_does_not_have_does_not_break_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A console of a Chinese Windows server, or of the C locale, has no ✓."""
    for encoding in ("gbk", "ascii"):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
        say("✓ done \udcff")
        assert written.getvalue() == rb"\u2713 done \udcff" + b"\n"


def test_an_error_is_a_card_with_its_code(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    show(DISK_FULL.error())
    out, err = capsysbinary.readouterr()
    assert out == b""
    for part in (DISK_FULL.zh, DISK_FULL.en, DISK_FULL.next_zh, DISK_FULL.next_en, DISK_FULL.code):
        assert err.count(part.encode()) == 1


def test_an_error_beside_json_is_the_document_and_one_line(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    with speaking(as_json=True):
        show(DISK_FULL.error())
    out, err = capsysbinary.readouterr()
    assert json.loads(out) == {"error": DISK_FULL.error().as_dict()}
    assert err.decode() == f"✗ {DISK_FULL.zh} {DISK_FULL.en} [{DISK_FULL.code}]\n"


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
