"""Lines of a stream, one at a time and never more than a limit of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_CHUNK = 1 << 18
BLANK = b" \t\r\n"


class Line(NamedTuple):
    """`raw` is the line's bytes without its line end (LF or CRLF); `number` counts blank lines too, from 1.

    Of a line that is too long only the beginning is kept.
    """

    number: int
    raw: bytes
    too_long: bool = False


def read_lines(stream: BinaryIO, line_bytes: int, kept_bytes: int) -> Iterator[Line]:
    """Every line that is not blank. Needs only `read`, so the stream may be a decryption or an inflation.

    line_bytes -- a longer line is cut to its first `kept_bytes` and marked; reading goes on behind it
    """
    number = 1
    begun = bytearray()  # of the line whose end has not been seen yet
    skipping = False
    while chunk := stream.read(_CHUNK):
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if begun and not skipping:
                begun += chunk[start:end]
            raw = bytes(begun) if begun else chunk[start:end]
            if skipping or len(raw) > line_bytes:
                yield Line(number, raw[:kept_bytes], too_long=True)
            elif raw.strip(BLANK):
                yield Line(number, raw.removesuffix(b"\r"))
            begun.clear()
            skipping = False
            number += 1
            start = end + 1
        if not skipping:
            begun += chunk[start:]
            if len(begun) > line_bytes:
                del begun[kept_bytes:]
                skipping = True
    if skipping:
        yield Line(number, bytes(begun), too_long=True)
    elif begun.strip(BLANK):
        yield Line(number, bytes(begun).removesuffix(b"\r"))
