"""The patients of a file kept by patient (segments), under new names: only the index is written anew.

Which patient a chunk is whose key seals stands in the index alone, so that the sealed windows are copied as
they are.

The old index and the new one are bound alike: nothing outside the file says which of them is the present one.
An older index put back would name old pseudonyms, whose keys are gone once a rotation is complete, so that
the file is then refused as damaged (`raw.damaged`) and never read as somebody else's.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import NONCE_BYTES, suite
from rwd_platform.store.layout import open_part, sync_folder
from rwd_platform.store.segments import KeyLookup, Segments, _bound, _json

_TRAILER_BYTES = 8
_PIECE = 1 << 20


class _Renaming(Segments):
    def write(self, sink: BinaryIO, names: Mapping[str, str]) -> None:
        index: dict[str, Any] = self._read_index()
        index["patients"] = [names.get(patient, patient) for patient in index["patients"]]
        remaining = self._start_of_index()
        self._source.seek(0)
        while remaining:
            piece = self._source.read(min(_PIECE, remaining))
            sink.write(piece)
            remaining -= len(piece)
        nonce, key = os.urandom(NONCE_BYTES), self._file_key
        bound = _bound(self._header_hash, b"index")
        sealed = nonce + suite(key.suite).seal(key.key, nonce, _json(index), bound)
        sink.write(sealed + len(sealed).to_bytes(_TRAILER_BYTES, "big"))

    def _start_of_index(self) -> int:
        end = self._source.seek(0, os.SEEK_END) - _TRAILER_BYTES
        self._source.seek(end)
        return end - int.from_bytes(self._source.read(_TRAILER_BYTES), "big")


def rename_patients(
    path: Path, keys: KeyRing, organisation_id: str, names: Mapping[str, str], find_keys: KeyLookup
) -> bool:
    """Exchange the names in one file of segments, which is replaced whole; False where none had to be.

    Safe to do again. Both names must have a key on record until all files are done.
    """
    part = path.parent.parent / f"{uuid.uuid4().hex}.part"
    with path.open("rb") as source:
        segments = _Renaming(source, keys, organisation_id, path.name, find_keys)
        if not names.keys() & set(segments.patients):
            return False
        try:
            with open_part(part) as sink:
                segments.write(sink, names)
                sink.flush()
                os.fsync(sink.fileno())
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True
