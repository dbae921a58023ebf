"""Whose each line of a file as received is, and the file cut by it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import BinaryIO

NOBODY = ""
"""Whose key seals what is about no patient: the hospital's own."""

_PIECE = 1 << 16


class LineOwners:
    """Whose each line of a file is. A line that was never named is nobody's. 24 bytes a run of lines."""

    def __init__(self) -> None:
        self._first, self._past, self._owner = array("Q"), array("Q"), array("L")
        self._numbers: dict[str, int] = {}

    def add(self, line: int, lines: int, patient_id: str) -> None:
        """`lines` lines from this one on, in ascending order. A row of two patients is nobody's."""
        if patient_id == NOBODY:
            return
        if self._first and line < self._past[-1]:
            self._share(line, lines, patient_id)
            return
        owner = self._numbers.setdefault(patient_id, len(self._numbers))
        if self._first and line == self._past[-1] and owner == self._owner[-1]:
            self._past[-1] += lines
            return
        self._first.append(line)
        self._past.append(line + lines)
        self._owner.append(owner)

    @property
    def patients(self) -> set[str]:
        """Everybody who has a line; NOBODY always."""
        return {NOBODY, *self._numbers}

    def cut(self, plain: BinaryIO) -> Iterator[tuple[str, bytes]]:
        """The file's bytes in order with their owners, none of them longer than 64 KiB."""
        names = list(self._numbers)
        line, run, runs = 1, 0, len(self._first)
        while piece := plain.readline(_PIECE):
            while run < runs and self._past[run] <= line:
                run += 1
            owned = run < runs and self._first[run] <= line
            yield (names[self._owner[run]] if owned else NOBODY), piece
            line += piece.endswith(b"\n")

    def _share(self, line: int, lines: int, patient_id: str) -> None:
        """The last row again, or the last of a run of rows: one row of a table gives several resources."""
        past = line + lines
        if past != self._past[-1]:
            raise ValueError("lines are named in order, and a row's lines alike each time")
        if self._owner[-1] == self._numbers.get(patient_id):
            return
        if self._first[-1] < line:  # the rows before it keep their owner
            self._past[-1] = line
            self._first.append(line)
            self._past.append(past)
            self._owner.append(0)
        self._owner[-1] = self._numbers.setdefault(NOBODY, len(self._numbers))
