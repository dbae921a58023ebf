"""How many revisions and objects a PDF claims to have, counted by pyHanko's own reader of the tables.

The same reader, so that what is counted here is what is read afterwards: a second one could be told another story.
Imported only when signatures are read.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import process_data_at_eof
from pyhanko.pdf_utils.rw_common import PdfHandler
from pyhanko.pdf_utils.xref import XRefBuilder

_BYTES_OF_AN_ENTRY = 20  # in a classic table
_WIDEST_ENTRY = 24  # in a compressed one: three numbers of eight bytes


class _TooMuch(Exception):
    """Never leaves this module."""


class _NoObjects(PdfHandler):
    """While the tables are read there is no object to be had yet."""

    def get_object(self, ref: Any, as_metadata_stream: bool = False) -> Any:
        raise PdfReadError("the tables of a PDF point to nothing but themselves")


class _Counting(XRefBuilder):
    def __init__(self, stream: BytesIO, startxref: int, revisions: int, objects: int) -> None:
        super().__init__(_NoObjects(), stream, strict=True, last_startxref=startxref)
        self._revisions, self._objects = revisions, objects

    def _read_xref_stream_object(self) -> Any:
        reference, table = super()._read_xref_stream_object()  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
        widths = [int(one) for one in table.raw_get("/W")]
        counts = [int(one) for one in table.get("/Index", [0, table.raw_get("/Size")])][1::2]
        # Entries of no width take no bytes: a short file could claim any number of them.
        if min(widths) < 0 or not 1 <= sum(widths) <= _WIDEST_ENTRY or min(counts, default=0) < 0:
            raise PdfReadError("a table whose entries have no width, or too much")
        self._count(sum(counts))
        return reference, table

    def _read_xref_table(self, declared_startxref: int) -> Any:
        start = self.stream.tell()
        read = super()._read_xref_table(declared_startxref)
        self._count((self.stream.tell() - start) // _BYTES_OF_AN_ENTRY)
        return read

    def _count(self, objects: int) -> None:
        self._revisions -= 1
        self._objects -= objects
        if self._revisions < 0 or self._objects < 0:
            raise _TooMuch


def is_too_much(pdf: bytes, revisions: int, objects: int) -> bool:
    """Whether the tables name more revisions or objects than given. Raises whatever pyHanko does for broken ones."""
    stream = BytesIO(pdf)
    stream.seek(-1, 2)
    try:
        _Counting(stream, process_data_at_eof(stream), revisions, objects).read_xrefs()  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
    except _TooMuch:
        return True
    return False
