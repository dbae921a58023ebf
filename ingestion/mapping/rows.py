"""Bytes of a CSV file into rows of cells, one row at a time, keeping each row's exact bytes.

Rows are split before they are decoded: in UTF-8 and in GB18030 no byte of a longer character is a
comma, a quote or a line break, so a row that cannot be decoded spoils nothing but itself.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

ROW_BYTES = 1 << 20
KEPT_BYTES = 1024  # of a row that is too long
_CHUNK = 1 << 16
_QUOTE = b'"'


@dataclass(frozen=True)
class Row:
    """`line` is where it starts, from 1. `cells` is None when quotes are wrong, or `too_long`: it was cut."""

    line: int
    raw: bytes
    cells: tuple[bytes, ...] | None
    too_long: bool = False


def rows_of(stream: BinaryIO, delimiter: bytes, beginning: bytes = b"") -> Iterator[Row]:
    """All rows that are not blank. `beginning` was read from the stream before and is put back in front."""
    lines = _Lines(stream, beginning)
    while (first := lines.take()) is not None:
        if first.too_long:
            yield Row(first.number, first.raw, None, too_long=True)
        elif first.raw.strip(b" \r\n"):
            yield _row(lines, first, delimiter)


@dataclass(frozen=True)
class _Line:
    number: int
    raw: bytes
    too_long: bool = False


class _Lines:
    """Physical lines with their endings; some can be given back."""

    def __init__(self, stream: BinaryIO, beginning: bytes) -> None:
        self._stream = stream
        self._beginning = io.BytesIO(beginning)
        self._waiting: deque[_Line] = deque()
        self._number = 0

    def take(self) -> _Line | None:
        if self._waiting:
            return self._waiting.popleft()
        raw = self._read(ROW_BYTES + 1)
        if not raw:
            return None
        self._number += 1
        if len(raw) > ROW_BYTES:
            self._skip(raw)
            return _Line(self._number, raw[:KEPT_BYTES], too_long=True)
        return _Line(self._number, raw)

    def give_back(self, lines: list[_Line]) -> None:
        self._waiting.extendleft(reversed(lines))

    def _read(self, most: int) -> bytes:
        """Up to the next line break or `most` bytes, from what was put back and then from the stream."""
        raw = self._beginning.readline(most)
        if raw.endswith(b"\n") or len(raw) == most:
            return raw
        return raw + self._stream.readline(most - len(raw))

    def _skip(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self._read(_CHUNK)


def _row(lines: _Lines, first: _Line, delimiter: bytes) -> Row:
    """The row that starts with this line. A quoted cell may go on over the following lines.

    When the quote is never closed, only the first line is taken as a (wrong) row and the rest is read
    again, so that one stray quote costs one row and not the remainder of the file.
    """
    taken, size = [first], len(first.raw)
    is_open = _open_after(first.raw, delimiter, inside=False)
    while is_open and size <= ROW_BYTES:
        line = lines.take()
        if line is None or line.too_long:
            if line is not None:
                lines.give_back([line])
            break
        taken.append(line)
        size += len(line.raw)
        is_open = _open_after(line.raw, delimiter, inside=True)
    if is_open:
        lines.give_back(taken[1:])
        return Row(first.number, _without_ending(first.raw), None)
    raw = _without_ending(b"".join(line.raw for line in taken))
    return Row(first.number, raw, _cells(raw, delimiter))


def _without_ending(raw: bytes) -> bytes:
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def _open_after(line: bytes, delimiter: bytes, *, inside: bool) -> bool:
    """Whether a quoted cell is still open at the end of this line."""
    if not inside and _QUOTE not in line:
        return False
    position = 0
    while True:
        if not inside:
            if line[position : position + 1] == _QUOTE:
                inside, position = True, position + 1
                continue
            position = line.find(delimiter, position) + 1
            if position == 0:
                return False
            continue
        position = line.find(_QUOTE, position) + 1
        if position == 0:
            return True
        if line[position : position + 1] == _QUOTE:
            position += 1
            continue
        inside = False
        position = line.find(delimiter, position) + 1
        if position == 0:
            return False


def _cells(raw: bytes, delimiter: bytes) -> tuple[bytes, ...] | None:
    """None when something follows a closing quote before the next delimiter."""
    if _QUOTE not in raw:
        return tuple(raw.split(delimiter))
    cells: list[bytes] = []
    position = 0
    while True:
        if raw[position : position + 1] != _QUOTE:
            end = raw.find(delimiter, position)
            end = len(raw) if end < 0 else end
            cells.append(raw[position:end])
        else:
            start = position + 1
            end = _closing_quote(raw, start)
            if end < 0:
                return None
            cells.append(raw[start:end].replace(b'""', b'"'))
            end += 1
            if end < len(raw) and raw[end : end + 1] != delimiter:
                return None
        if end >= len(raw):
            return tuple(cells)
        position = end + 1


def _closing_quote(raw: bytes, start: int) -> int:
    while True:
        end = raw.find(_QUOTE, start)
        if end < 0 or raw[end + 1 : end + 2] != _QUOTE:
            return end
        start = end + 2
