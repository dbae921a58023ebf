"""How the command line speaks, so that what is piped on is the answer and nothing else.

In words: the answer on stdout, its summary last; errors as cards, warnings and progress on stderr.
With --json: JSON alone on stdout, an error as `{"error": ...}`; on stderr one line, the summary or the error, and
warnings that the JSON has no key for.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from rwd_platform.core.errors import PlatformError


@dataclass
class _Form:
    as_json: bool = False


# One command a process: whether it was asked for JSON is known before any verb runs, and is the same for all of them.
_FORM = _Form()


@contextmanager
def speaking(*, as_json: bool) -> Iterator[None]:
    """The form of every answer within."""
    before, _FORM.as_json = _FORM.as_json, as_json
    try:
        yield
    finally:
        _FORM.as_json = before


def say(text: str) -> None:
    """A line of the answer in words, on stdout. Nothing with --json: the document says it."""
    if not _FORM.as_json:
        _write(sys.stdout, text + "\n")


def sum_up(text: str) -> None:
    """The answer in one line: the last on stdout, or beside JSON the line for a person on stderr."""
    if _FORM.as_json:
        note(text)
    else:
        say(text)


def many(number: int, singular: str, plural: str = "") -> str:
    """`1 error`, `2 errors`; where the plural is not made by an s, it is given."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def note(*lines: str) -> None:
    """On stderr: progress, or a warning with its lines in both languages; beside JSON they become one line."""
    _write(sys.stderr, (" " if _FORM.as_json else "\n").join(lines) + "\n")


def answer(value: Any) -> None:
    """One JSON document, or one line of a JSON stream, on stdout: UTF-8, LF."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A file name that the locale could not read comes as lone surrogates: its own bytes are given back.
    encoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()
    sys.stdout.buffer.write(encoded + b"\n")
    sys.stdout.buffer.flush()


def show(error: PlatformError) -> None:
    """An error: what happened, what to do, code."""
    show_card(error.as_dict())


def show_card(problem: Mapping[str, str], **more: str) -> None:
    """An error from its texts, as a job kept them. A card on stderr; with --json the document and one line.

    `more` stands beside the error in the document.
    """
    if _FORM.as_json:
        answer({"error": dict(problem), **more})
        note(f"✗ {problem['zh']} {problem['en']} [{problem['code']}]".replace("\n", " "))
        return
    note(
        f"✗ {problem['zh']}",
        f"  {problem['en']}",
        f"→ {problem['next_zh']}",
        f"  {problem['next_en']}",
        f"  [{problem['code']}]",
    )


def drop_what_nobody_reads() -> None:
    """The reader of the pipe has gone: what is left to flush at the end would only be an error message."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):  # not a file of the system's: nothing will be flushed to it
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _write(stream: TextIO, text: str) -> None:
    """In the terminal's encoding. A sign that it does not have is spelt out: no answer ends half-way for a ✓."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


class Terminal:
    """The step in hand, on one line that the next line of text replaces; on a terminal only."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def begin(self, step: str) -> None:
        if self._shown:
            _write(sys.stderr, f"  … {step}")

    def say(self, text: str) -> None:
        if self._shown:
            _write(sys.stderr, "\r\x1b[K")
        note(text)
