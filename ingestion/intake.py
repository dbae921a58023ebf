"""What a hospital sent, as units: one for each resource, or the reason why one could not be read.

The form is found by content first and by name second, because names lie more often: gzip, zip,
a table with a mapping, NDJSON, one JSON document. What spoils the whole file (a cut gzip, a zip
bomb) is found before the first unit and raises; what spoils one line becomes one rejected unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ingestion.bundles import is_bundle, units_of_bundle
from ingestion.containers import (
    GZIP_MAGIC,
    LIMITS,
    ZIP_MAGICS,
    Limits,
    OpenStream,
    check_gzip,
    is_archive,
    open_gzip,
    open_zip,
)
from ingestion.lines import BLANK, read_lines
from ingestion.problems import DOCUMENT_TOO_LARGE, EMPTY, MAPPING_MISSING, SPREADSHEET, UNKNOWN_FORMAT
from ingestion.validate.messages import issue, issue_of_text
from rwd_platform.core.json_text import JsonRefused, encoding_refusal, loads
from rwd_platform.core.units import Place, Unit

if TYPE_CHECKING:
    from ingestion.mapping import TableMapping

__all__ = ["LIMITS", "Limits", "read_units"]

_BOM = b"\xef\xbb\xbf"
_PEEK = 1 << 16
_LINES_LOOKED_AT = 50
_LINE_NAMES = (".ndjson", ".jsonl")
_JSON_NAMES = (".json", *_LINE_NAMES)
_TABLE_NAMES = (".csv", ".tsv", ".txt")
_FOREIGN = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"%PDF-",
    b"GIF8",
)  # pictures and PDF, whatever their name says
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"


def read_units(
    name: str,
    open_stream: OpenStream,
    *,
    limits: Limits = LIMITS,
    mapping: TableMapping | None = None,
    temp_dir: Path | None = None,
) -> Iterator[Unit]:
    """The units of a file, in its order; archives in the order of their members' names.

    name        -- as the hospital gave it
    open_stream -- gives the file from its start at each call; it is read forward only
    temp_dir    -- where a large zip is spooled while it is read: a directory of the identified zone

    Raises PlatformError, before the first unit, when the file as a whole is refused. Every line is
    one unit, and every entry of a Bundle; blank lines are skipped but counted.
    """
    reader = _Reader(limits, mapping, temp_dir)
    units = reader.units_of_file(name, open_stream)
    # The generator has to run up to its first unit for the file's own checks to be made.
    first = next(units, None)
    return _joined(first, units)


def _joined(first: Unit | None, rest: Iterator[Unit]) -> Iterator[Unit]:
    if first is not None:
        yield first
    yield from rest


class _Reader:
    def __init__(self, limits: Limits, mapping: TableMapping | None, temp_dir: Path | None) -> None:
        self._limits = limits
        self._mapping = mapping
        self._temp_dir = temp_dir

    # --- files and archives ---

    def units_of_file(self, name: str, open_stream: OpenStream) -> Iterator[Unit]:
        beginning = _beginning(open_stream)
        if beginning.startswith(GZIP_MAGIC):
            check_gzip(name, open_stream, self._limits)
            inner = name[:-3] if name.lower().endswith(".gz") else name
            self._check_content(name, inner, open_gzip(open_stream))
            yield from self._units_of_content(name, inner, open_gzip(open_stream))
        elif beginning.startswith(ZIP_MAGICS):
            with open_zip(name, open_stream, self._limits, self._temp_dir) as members:
                for member in members:
                    self._check_content(member.label, member.name, member.open_stream)
                for member in members:
                    yield from self._units_of_content(member.label, member.name, member.open_stream)
        else:
            self._check_content(name, name, open_stream)
            yield from self._units_of_content(name, name, open_stream)

    def _check_content(self, label: str, name: str, open_stream: OpenStream) -> None:
        """Raises PlatformError for what cannot be told line by line."""
        beginning = _beginning(open_stream)
        if not beginning.removeprefix(_BOM).strip(BLANK) and not _has_content(open_stream):
            raise EMPTY.error(file=label)
        if is_archive(beginning) or beginning.startswith(_FOREIGN):
            raise UNKNOWN_FORMAT.error(file=label)
        if beginning.startswith(_OLD_OFFICE):
            raise SPREADSHEET.error(file=label)
        if _is_table(name, beginning):
            self._check_table(label, name, open_stream)
        elif not _is_json(name, beginning):
            raise UNKNOWN_FORMAT.error(file=label)
        elif not _is_utf16(beginning) and not _has_lines(name, open_stream, self._limits):
            self._check_document(label, open_stream)

    def _check_document(self, label: str, open_stream: OpenStream) -> None:
        left = self._limits.document_bytes
        with open_stream() as stream:
            while chunk := stream.read(_PEEK):
                left -= len(chunk)
                if left < 0:
                    raise DOCUMENT_TOO_LARGE.error(file=label, limit=self._limits.document_bytes)

    def _units_of_content(self, label: str, name: str, open_stream: OpenStream) -> Iterator[Unit]:
        beginning = _beginning(open_stream)
        if _is_table(name, beginning):
            yield from self._units_of_table(label, name, open_stream)
        elif _is_utf16(beginning):
            refused = issue_of_text(encoding_refusal(beginning))
            yield Unit(Place(label, 1), beginning[: self._limits.kept_bytes], None, (refused,))
        elif _has_lines(name, open_stream, self._limits):
            yield from self._units_of_lines(label, open_stream)
        else:
            with open_stream() as stream:
                raw = stream.read()
            yield from self._units_of_text(Place(label, 1), raw.removeprefix(_BOM))

    # --- JSON ---

    def _units_of_lines(self, label: str, open_stream: OpenStream) -> Iterator[Unit]:
        limits = self._limits
        with open_stream() as stream:
            for line in read_lines(stream, limits.line_bytes, limits.kept_bytes):
                place = Place(label, line.number)
                raw = line.raw.removeprefix(_BOM) if line.number == 1 else line.raw
                if line.too_long:
                    refused = issue("line.too_long", "", limit=str(limits.line_bytes))
                    yield Unit(place, raw, None, (refused,))
                else:
                    yield from self._units_of_text(place, raw)

    def _units_of_text(self, place: Place, raw: bytes) -> Iterator[Unit]:
        try:
            value: Any = loads(raw)
        except JsonRefused as refused:
            yield Unit(place, raw, None, (issue_of_text(refused),))
            return
        if not isinstance(value, dict):
            yield Unit(place, raw, None, (issue("resource.not_object", ""),))
        elif is_bundle(value):
            yield from units_of_bundle(value, raw, place, self._limits.kept_bytes)
        else:
            yield Unit(place, raw, value)

    # --- tables ---

    def _check_table(self, label: str, name: str, open_stream: OpenStream) -> None:
        from ingestion.mapping import read_table

        with open_stream() as stream:
            read_table(name, stream, self._mapping_for(label), label)

    def _units_of_table(self, label: str, name: str, open_stream: OpenStream) -> Iterator[Unit]:
        from ingestion.mapping import read_table

        with open_stream() as stream:
            yield from read_table(name, stream, self._mapping_for(label), label)

    def _mapping_for(self, label: str) -> TableMapping:
        if self._mapping is None:
            raise MAPPING_MISSING.error(file=label)
        return self._mapping


# --- what is it? -----------------------------------------------------------------------------


def _beginning(open_stream: OpenStream) -> bytes:
    with open_stream() as stream:
        return _read_exactly(stream, _PEEK)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    """A stream may give fewer bytes than asked for before its end."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _has_content(open_stream: OpenStream) -> bool:
    """Whether there is anything but blanks behind a byte order mark."""
    with open_stream() as stream:
        if _read_exactly(stream, len(_BOM)).removeprefix(_BOM).strip(BLANK):
            return True
        while chunk := stream.read(_PEEK):
            if chunk.strip(BLANK):
                return True
    return False


def _first_character(beginning: bytes) -> bytes:
    return beginning.removeprefix(_BOM).lstrip(BLANK)[:1]


def _is_utf16(beginning: bytes) -> bool:
    return beginning[:2] in (b"\xff\xfe", b"\xfe\xff") or (
        b"\0" in beginning[:4] and beginning[:4].strip(b"\0")[:1] in (b"{", b"[")
    )


def _is_table(name: str, beginning: bytes) -> bool:
    """A table has no mark of its own: its name has to say so, and JSON inside contradicts it."""
    return name.lower().endswith(_TABLE_NAMES) and _first_character(beginning) not in (b"{", b"[")


def _is_json(name: str, beginning: bytes) -> bool:
    return name.lower().endswith(_JSON_NAMES) or _first_character(beginning) in (b"{", b"[")


def _has_lines(name: str, open_stream: OpenStream, limits: Limits) -> bool:
    """True for NDJSON, False for one document that may go over many lines.

    In NDJSON the second line is an object of its own that begins at the margin; in a document it goes
    on with the first. A first line that breaks off does not make a document: a later line that is a
    resource says that this is NDJSON with a bad line. A single line is read as NDJSON unless it is
    longer than a line may be, which its name can still call NDJSON.
    """
    with open_stream() as stream:
        lines = list(islice(read_lines(stream, _PEEK, _PEEK), _LINES_LOOKED_AT))
    if len(lines) < 2:
        return name.lower().endswith(_LINE_NAMES) or not _is_longer(open_stream, limits.line_bytes)
    first, *later = lines
    beginning = first.raw.removeprefix(_BOM)
    if beginning.strip(BLANK) == b"[":
        return False
    if first.too_long:
        return True
    return not _breaks_off(beginning) or any(_is_resource(line.raw) for line in later)


def _is_longer(open_stream: OpenStream, size: int) -> bool:
    with open_stream() as stream:
        while size >= 0 and (chunk := stream.read(_PEEK)):
            size -= len(chunk.rstrip(b"\r\n"))
    return size < 0


def _breaks_off(raw: bytes) -> bool:
    try:
        loads(raw)
    except JsonRefused as refused:
        return refused.rule == "json.truncated"
    return False


def _is_resource(raw: bytes) -> bool:
    if not raw.startswith(b"{"):
        return False
    try:
        value = loads(raw)
    except JsonRefused:
        return False
    return isinstance(value, dict) and "resourceType" in value
