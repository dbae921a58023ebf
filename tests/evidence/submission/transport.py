"""A transport file field by field, after SAS technical note TS-140 alone: to look at what libraries do not show."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

RECORD, NAMESTR = 80, 140
_NAMESTRS_AT = 640  # three records of the library, five of its one member


@dataclass(frozen=True)
class Field:
    """One variable: kind is 1 for numbers and 2 for text; `length` and `position` are bytes of an observation."""

    kind: int
    length: int
    name: str
    label: str
    position: int


@dataclass(frozen=True)
class Transport:
    dataset: str
    label: str
    times: tuple[str, ...]
    fields: tuple[Field, ...]
    data: bytes

    def values(self, name: str) -> list[bytes]:
        """The stored bytes of one variable, observation by observation."""
        field = next(one for one in self.fields if one.name == name)
        size = sum(one.length for one in self.fields)
        rows = range(0, len(self.data) // size * size, size)
        return [self.data[at + field.position : at + field.position + field.length] for at in rows]


def transport(content: bytes) -> Transport:
    assert len(content) % RECORD == 0
    assert content.startswith(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!")
    assert content[240:].startswith(b"HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!")
    assert content[_NAMESTRS_AT - RECORD :].startswith(b"HEADER RECORD*******NAMESTR HEADER RECORD!!!!!!!")
    count = int(content[_NAMESTRS_AT - RECORD + 54 :][:4])
    fields = tuple(_field(content[_NAMESTRS_AT + at * NAMESTR :][:NAMESTR]) for at in range(count))
    end = -(-(_NAMESTRS_AT + count * NAMESTR) // RECORD) * RECORD
    assert content[end:].startswith(b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!")
    times = tuple(content[at : at + 16].decode() for at in (144, 160, 464, 480))
    return Transport(_text(content[408:416]), _text(content[512:552]), times, fields, content[end + RECORD :])


def _field(record: bytes) -> Field:
    kind, _, length = struct.unpack(">hhh", record[:6])
    (position,) = struct.unpack(">i", record[84:88])
    return Field(kind, length, _text(record[8:16]), _text(record[16:56]), position)


def _text(field: bytes) -> str:
    return field.decode("ascii").rstrip(" ")


def number_of(stored: bytes) -> Fraction | None:
    """The exact value of an IBM float: sign, power of sixteen with excess 64, 56 bits of fraction. None is missing."""
    if stored == b"." + bytes(7):
        return None
    fraction = int.from_bytes(stored[1:], "big")
    size = Fraction(fraction, 1 << 56) * Fraction(16) ** ((stored[0] & 0x7F) - 64)
    return -size if stored[0] & 0x80 else size
