"""`rwd` as a person calls it: arguments in; exit code, stdout and stderr out. In this process, for speed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from rwd_platform.cli.main import main


@dataclass(frozen=True)
class Answer:
    """What a call gave. `stdout` is bytes: its line ends are part of the contract."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[Any]:
        """Every line of stdout as JSON; a line that is not JSON fails the test."""
        assert b"\r" not in self.stdout
        assert not self.stdout or self.stdout.endswith(b"\n")
        return [json.loads(line) for line in self.stdout.decode("utf-8").splitlines()]

    @property
    def document(self) -> Any:
        (one,) = self.lines
        return one


Rwd = Callable[..., Answer]


def caller(monkeypatch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[bytes]) -> Rwd:
    def rwd(*arguments: object) -> Answer:
        captured.readouterr()
        monkeypatch.setattr(sys, "argv", ["rwd", *map(str, arguments)])
        code = main()
        out, err = captured.readouterr()
        return Answer(int(code), out, err.decode("utf-8"))

    return rwd


def is_chinese(text: str) -> bool:
    return any("一" <= letter <= "鿿" for letter in text)
