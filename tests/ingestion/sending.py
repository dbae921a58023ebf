"""What tests send: streams that go forward only, as decryption gives them, and small files made here."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from ingestion.containers import LIMITS, Limits
from ingestion.intake import read_units
from rwd_platform.core.units import Unit

ROOT = Path(__file__).parents[2]


class ForwardOnly(io.RawIOBase):
    """Reads forward and gives at most `piece` bytes at a time; it cannot seek, as a decryption cannot."""

    def __init__(self, parts: Iterator[bytes], piece: int = 5_000) -> None:
        self._parts, self._piece, self._rest = parts, piece, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(self._piece), b""))
        while not self._rest:
            try:
                self._rest = next(self._parts)
            except StopIteration:
                return b""
        size = min(size, self._piece)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def opener(content: bytes, piece: int = 5_000) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, ForwardOnly(iter([content]), piece))


def opener_of(parts: Callable[[], Iterable[bytes]]) -> Callable[[], BinaryIO]:
    """A stream made while it is read: nothing of it is in memory beforehand."""
    return lambda: cast(BinaryIO, ForwardOnly(iter(parts()), 1 << 20))


def read(content: bytes, name: str = "a.ndjson", limits: Limits = LIMITS, **options: Any) -> list[Unit]:
    return list(read_units(name, opener(content), limits=limits, **options))


def patient(number: int = 1, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{number}", **elements}


def line(resource: Any) -> bytes:
    return json.dumps(resource, ensure_ascii=False).encode()


def zip_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def suite(*parts: str) -> Path:
    """A file of a foreign suite; skips, saying so, where the suites are not at hand."""
    base = Path(os.environ.get("RWD_SUITES", ROOT.parent / "shared" / "data"))
    path = base.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the suite {'/'.join(parts)} is not at hand: set RWD_SUITES to its folder")
    return path
