"""How the command line speaks: JSON alone on stdout when asked for, everything else on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rwd_platform.core.errors import PlatformError


def say(text: str) -> None:
    """A line for a person."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def answer(value: Any) -> None:
    """One JSON document, or one line of a JSON stream, on stdout: UTF-8, LF."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def show(error: PlatformError, *, as_json: bool) -> None:
    """An error as a card: what happened, what to do, code."""
    if as_json:
        answer({"error": error.as_dict()})
    say(f"✗ {error.zh}\n  {error.en}\n→ {error.next_zh}\n  {error.next_en}\n  [{error.code}]")


class Progress:
    """One line that is rewritten, on a terminal only."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._shown:
            count = f" {done:,}" + (f" / {total:,}" if total else "") if done else ""
            sys.stderr.write(f"\r\x1b[K  … {stage}{count}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
