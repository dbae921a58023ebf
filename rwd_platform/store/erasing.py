"""One patient taken out of files for good: lake tables, files kept by patient, receipts, and destroyed locks.

Every function here may be cut off and done again; each file is replaced whole or not at all.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rwd_platform.core import columns as core
from rwd_platform.core.canonical import canonical_json
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import NONCE_BYTES, TAG_BYTES, suite
from rwd_platform.store.delta_files import one_writer
from rwd_platform.store.layout import open_part, remove_if_left, sync_folder
from rwd_platform.store.line_owners import NOBODY
from rwd_platform.store.receipts import Receipt, ReceiptLine, write_receipt
from rwd_platform.store.segments import DataKey, KeyLookup, Segments, _bound, _json

if TYPE_CHECKING:
    from rwd_platform.store.lake import Lake

_PIECE = 1 << 20
_SEAL_BYTES = NONCE_BYTES + TAG_BYTES
_TRAILER_BYTES = 8
_AT_ONCE = 500

Resource = tuple[str, str, str]
"""source_system, resource_type, resource_id: one resource of a hospital, as the lake names it"""


# -- the lake ------------------------------------------------------------------------------------------


def erase_from_table(
    lake: Lake,
    table: str,
    organisation_id: str,
    names: Collection[str],
    unnamed: Collection[Resource] = (),
) -> int:
    """Remove the rows of a patient of one hospital, and every name of the patient in other rows of the lake.

    unnamed -- resources that are the patient's though their rows may name nobody; a row of another patient stays

    Returns how many rows went. The files and the log of older versions go with them, also where no row was
    left to remove: a run that was cut off may have stopped between the two.
    """
    from deltalake import DeltaTable

    path = lake.folder_of(table)
    removed = 0
    with one_writer(path):
        for whose in _whose(names, unnamed):
            own = f"{core.ORGANISATION_ID} = {_quoted(organisation_id)} AND {whose}"
            removed += DeltaTable(path).delete(own)["num_deleted_rows"]
        _unname(DeltaTable(path), names)
    lake.forget_history(table)
    return removed


def _whose(names: Collection[str], unnamed: Collection[Resource]) -> Iterator[str]:
    """What is true of the patient's rows, in parts that are each short enough to be asked at once."""
    listed = _listed(names)
    yield f"{core.PATIENT_ID} IN ({listed})"
    of_nobody = f"({core.PATIENT_ID} IS NULL OR {core.PATIENT_ID} = '')"
    ids: dict[tuple[str, str], list[str]] = {}
    for source_system, resource_type, resource_id in sorted(unnamed):
        ids.setdefault((source_system, resource_type), []).append(resource_id)
    for (source_system, resource_type), of_kind in ids.items():
        kind = f"{core.SOURCE_SYSTEM} = {_quoted(source_system)} AND {core.RESOURCE_TYPE} = {_quoted(resource_type)}"
        for start in range(0, len(of_kind), _AT_ONCE):
            some = _listed(of_kind[start : start + _AT_ONCE])
            yield f"{of_nobody} AND {kind} AND {core.RESOURCE_ID} IN ({some})"


def _listed(texts: Collection[str]) -> str:
    return ", ".join(_quoted(text) for text in sorted(texts))


def _unname(delta: Any, names: Collection[str]) -> None:
    """Another row may refer to the patient, alone in a cell (`p1...`) or at the end of one (`Patient/p1...`)."""
    import pyarrow as pa

    wanted = ", ".join(_quoted(text) for name in sorted(names) for text in (name, f"Patient/{name}"))
    keys = {*core.MERGE_KEY, core.LINE_DIGEST}
    texts = [
        f'"{field.name}"'
        for field in pa.schema(delta.schema().to_arrow())
        if field.name not in keys and (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    ]
    changed = {name: f"CASE WHEN {name} IN ({wanted}) THEN NULL ELSE {name} END" for name in texts}
    delta.update(
        updates={name.strip('"'): new for name, new in changed.items()},
        predicate=" OR ".join(f"{name} IN ({wanted})" for name in texts),
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# -- files kept by patient -----------------------------------------------------------------------------


def patients_of(path: Path, keys: KeyRing, organisation_id: str, find_keys: KeyLookup) -> tuple[str, ...]:
    """Whose lines a file of segments holds, by its index."""
    with path.open("rb") as source:
        return Segments(source, keys, organisation_id, path.name, find_keys).patients


def blank_patient(
    path: Path,
    keys: KeyRing,
    organisation_id: str,
    names: Collection[str],
    find_keys: KeyLookup,
    of_nobody: Collection[int] = (),
) -> bool:
    """Put an empty line in the place of each line of the patient; False where the file has none.

    of_nobody -- numbers of lines, from 1, that go as well though they are nobody's; every key has to be there still

    The other lines keep their numbers, and the file its name: the hash of what was received. The index says
    what the hash is now. The patient's key has to exist still, for it tells how many lines there were.
    """
    part = path.parent.parent / f"{uuid.uuid4().hex}.part"
    with path.open("rb") as source:
        segments = _Blanking(source, keys, organisation_id, path.name, find_keys)
        if not set(names) & set(segments.patients) and not of_nobody:
            return False
        try:
            with open_part(part) as sink:
                segments.write(sink, frozenset(names), keys, frozenset(of_nobody))
                sink.flush()
                os.fsync(sink.fileno())
                _read_back(part, keys, organisation_id, find_keys)
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def _read_back(part: Path, keys: KeyRing, organisation_id: str, find_keys: KeyLookup) -> None:
    with part.open("rb") as source:
        for _ in Segments(source, keys, organisation_id, part.name, find_keys).pieces():
            pass


class _Blanking(Segments):
    """Copies the sealed chunks of everybody else as they are, and seals empty lines in place of the patient's."""

    def write(
        self, sink: BinaryIO, names: frozenset[str], keys: KeyRing, of_nobody: frozenset[int] = frozenset()
    ) -> None:
        self._digest, self._size, self._is_whole = hashlib.sha256(), 0, True
        self._of_nobody, self._line = of_nobody, 1
        self._source.seek(0)
        sink.write(self._source.readline())
        index: dict[str, Any] = self._read_index()
        windows = []
        for window, (offset, length) in enumerate(index["windows"]):
            start = sink.tell()
            windows.append([start, self._copy_window(sink, window, offset, length, names)])
        index["patients"] = [NOBODY if patient in names else patient for patient in index["patients"]]
        index["windows"], index["bytes"] = windows, self._size
        # Where another patient's key was destroyed nobody can say what the whole is.
        index["content_sha256"] = self._digest.hexdigest() if self._is_whole else ""
        sealed = self._sealed(self._file_key, _json(index), b"index")
        sink.write(sealed + len(sealed).to_bytes(_TRAILER_BYTES, "big"))

    def _copy_window(
        self, sink: BinaryIO, window: int, offset: int, length: int, names: frozenset[str]
    ) -> int:
        """Writes one window anew; returns the length of its sealed layout."""
        self._source.seek(offset)
        layout = json.loads(self._open(self._file_key, length, b"layout", window))
        owners = [self.patients[number] for number in layout["patients"]]
        runs = list(zip(layout["runs"][::2], layout["runs"][1::2], strict=True))
        found = self._keys_of({*owners, NOBODY})
        sealed, plain = [], []
        for chunk, owner in enumerate(owners):
            size = sum(size for of, size in runs if of == chunk) + _SEAL_BYTES
            at = self._source.tell()
            key = found[owner]
            content = None if key is None else self._open(key, size, b"chunk", window, chunk)
            self._source.seek(at)
            sealed.append(self._source.read(size))
            plain.append(content)
        runs, blanked = self._without(names, owners, runs, plain)
        nobody = found[NOBODY]
        assert nobody is not None  # noqa: S101 - the hospital's own key is never a patient's to destroy
        for chunk, owner in enumerate(owners):
            if owner in names or chunk in blanked:
                sealed[chunk] = self._sealed(nobody, plain[chunk] or b"", b"chunk", window, chunk)
        self._count(runs, plain)
        layout["runs"] = [number for run in runs for number in run]
        new = self._sealed(self._file_key, _json(layout), b"layout", window)
        sink.write(new)
        sink.writelines(sealed)
        return len(new)

    def _without(
        self,
        names: frozenset[str],
        owners: list[str],
        runs: list[tuple[int, int]],
        plain: list[bytes | None],
    ) -> tuple[list[tuple[int, int]], frozenset[int]]:
        """The runs with what goes cut down to its line ends, which is what `plain` holds afterwards; and which
        chunks have changed.
        """
        taken = dict.fromkeys(range(len(owners)), 0)
        is_cut = {chunk for chunk, owner in enumerate(owners) if owner in names or self._has_lines(owner)}
        left: dict[int, bytes] = dict.fromkeys(is_cut, b"")
        new = []
        for chunk, size in runs:
            content = (plain[chunk] or b"")[taken[chunk] : taken[chunk] + size]
            taken[chunk] += size
            if plain[chunk] is None and self._of_nobody and owners[chunk] not in names:
                raise self._damaged("a line cannot be counted", "无法数行")
            is_gone = chunk in is_cut
            stays = self._what_stays(owners[chunk] in names, content) if is_gone else content
            self._line += content.count(b"\n")
            if is_gone:
                left[chunk] += stays
            new.append((chunk, len(stays) if is_gone else size))
        for chunk, content in left.items():
            plain[chunk] = content
        return new, frozenset(is_cut)

    def _has_lines(self, owner: str) -> bool:
        return owner == NOBODY and bool(self._of_nobody)

    def _what_stays(self, goes: bool, content: bytes) -> bytes:
        """Line ends alone of what goes; of nobody's bytes all but the lines that go too."""
        if goes:
            return b"\n" * content.count(b"\n")
        kept = []
        for number, piece in enumerate(content.split(b"\n"), start=self._line):
            kept.append(b"" if number in self._of_nobody else piece)
        return b"\n".join(kept)

    def _count(self, runs: list[tuple[int, int]], plain: list[bytes | None]) -> None:
        taken = dict.fromkeys(range(len(plain)), 0)
        for chunk, size in runs:
            content = plain[chunk]
            self._size += size
            if content is None:
                self._is_whole = False
                continue
            self._digest.update(content[taken[chunk] : taken[chunk] + size])
            taken[chunk] += size

    def _sealed(self, key: DataKey, plain: bytes, kind: bytes, *place: int) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        bound = _bound(self._header_hash, kind, *place)
        return nonce + suite(key.suite).seal(key.key, nonce, plain, bound)


# -- receipts ------------------------------------------------------------------------------------------


def blank_digests(receipt: Receipt, digests: Collection[str]) -> int:
    """Write a receipt anew without the digests of these lines. What became of each line stays: it is counted."""
    found = sum(line.digest in digests for line in receipt.lines())
    if found:
        write_receipt(receipt.path, receipt.digest_keys, _without_digests(receipt, frozenset(digests)))
    return found


def _without_digests(receipt: Receipt, digests: frozenset[str]) -> Iterator[ReceiptLine]:
    for line in receipt.lines():
        erased = line.digest in digests
        yield ReceiptLine(**{**line.__dict__, "digest": ""}) if erased else line


# -- locks and single files ----------------------------------------------------------------------------


def destroy_lock(folder: Path, tainted: Collection[str]) -> int:
    """Remove a lock's files; how many went. `tainted` are those that hold the patient's rows.

    A tainted file is emptied before its name goes, so that other names of the same file (hard links, in a
    backup for one) hold nothing either. The others may be shared with a lock that stays, and are only let go.
    """
    if not folder.is_dir():
        return 0
    folder.chmod(0o700)
    removed = 0
    for file in sorted(folder.iterdir()):
        if file.name in tainted:
            empty(file)
        file.unlink()
        removed += 1
    folder.rmdir()
    sync_folder(folder.parent)
    return removed


def empty(file: Path) -> None:
    """Write over a file's content and cut it off, under all the names that it has."""
    file.chmod(0o600)
    with file.open("r+b", buffering=0) as stream:
        left = os.fstat(stream.fileno()).st_size
        while left > 0:
            left -= stream.write(b"\0" * min(_PIECE, left)) or 0
        os.fsync(stream.fileno())
        stream.truncate(0)
        os.fsync(stream.fileno())


def replace_whole(path: Path, content: bytes) -> None:
    """New content under the same name: all of it or none. What a writer that died left of it goes first."""
    for left in sorted(path.parent.glob(f"{path.name}.*.part")):
        remove_if_left(left)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with open_part(part) as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove_tree(folder: Path) -> None:
    """A folder and what is in it, also where it was made read-only."""
    if folder.is_dir():
        folder.chmod(0o700)
        shutil.rmtree(folder)


# -- searching -----------------------------------------------------------------------------------------


def files_with(home: Path, needles: Collection[bytes]) -> Iterator[tuple[Path, bytes]]:
    """Every file below `home` that holds one of these bytes: as it lies on the disk, and what it decodes to.

    Gzip is inflated, zip archives are opened member by member, and every value of a Parquet file is looked at.
    """
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            for needle in needles:
                if any(needle in view for view in _views(path.name, content)):
                    yield path, needle


def _views(name: str, content: bytes) -> Iterator[bytes]:
    import zipfile

    yield content
    if content.startswith(b"PAR1") and content.endswith(b"PAR1"):
        yield _values_of(content)
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _views(member, archive.read(member))


def _values_of(content: bytes) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content))
    return canonical_json([[str(value) for value in column.to_pylist()] for column in table.columns])
