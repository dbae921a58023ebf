"""How the command line speaks: JSON alone on stdout when asked for, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rwd_platform.core.errors import PlatformError


def say(text: str) -> None:
    """A line for a person."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def answer(value: Any) -> None:
    """One JSON document, or one line of a JSON stream, on stdout: UTF-8, LF."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A file name that the locale could not read comes as lone surrogates: its own bytes are given back.
    encoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()
    sys.stdout.buffer.write(encoded + b"\n")
    sys.stdout.buffer.flush()


def show(error: PlatformError, *, as_json: bool) -> None:
    """An error as a card: what happened, what to do, code."""
    if as_json:
        answer({"error": error.as_dict()})
    say_card(error.as_dict())


def say_card(problem: Mapping[str, str]) -> None:
    """An error as a card, from the texts that a job kept of it."""
    say(
        f"✗ {problem['zh']}\n  {problem['en']}\n→ {problem['next_zh']}\n  {problem['next_en']}"
        f"\n  [{problem['code']}]"
    )


class Terminal:
    """The step in hand, on one line that the next line of text replaces; on a terminal only."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def begin(self, step: str) -> None:
        if self._shown:
            sys.stderr.write(f"  … {step}")
            sys.stderr.flush()

    def say(self, text: str) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
        say(text)
