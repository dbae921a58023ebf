"""The raw frame, format 2: a file as received, at rest, each patient's lines sealed under the patient's own key.

    header    one line of JSON: format_version, suite, key_id, wrapped_key (base64), window_bytes
    window    for every `window_bytes` of plaintext: its layout, sealed under the file's key, and then one chunk
              for each patient who has bytes in it, sealed under that patient's key; repeated
    index     sealed under the file's key: whose bytes there are, where each window is, length and SHA-256
    trailer   8 bytes: the length of the sealed index

A layout says in which order the chunks' bytes follow each other, so that the bytes as received can be put
together again exactly. What is sealed is a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes. Every
part is bound to the header's hash and to its place, so that none can be changed, moved, left out or added.

Whoever destroys a patient's key destroys that patient's bytes in every file: the rest can still be listed,
with a gap where they were. What remains, under the hospital's key: lines that name the patient in no element
of a patient's compartment (only by an Encounter, or within a text), resources that name several patients,
unreadable lines of a file about several, and files that cannot be cut by lines (raw_frame).

Writing and reading hold one window in memory, never the file.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import KEY_BYTES, NONCE_BYTES, SUITE_NAMES, TAG_BYTES, suite
from rwd_platform.store.raw_frame import DAMAGED, NOT_OUR_KEY, VERSION_UNKNOWN

FORMAT_VERSION = 2
WINDOW_BYTES = 4 << 20
_LONGEST_HEADER = 4096
_TRAILER_BYTES = 8
_SEAL_BYTES = NONCE_BYTES + TAG_BYTES
_FACTS = ("format_version", "suite", "key_id", "window_bytes")
_NAMED = 3

DESTROYED = Problem(
    code="raw.patient_destroyed",
    zh="原始文件 {name} 不能整体给出：其中 {count} 位患者的密钥已销毁（{patients}），他们的内容不可恢复。",
    en="The raw file {name} cannot be given whole: the keys of {count} of its patients were destroyed ({patients}), "
    "and their lines cannot be recovered.",
    next_zh="其余患者的内容仍可读取，缺失之处有标记；需要完整文件请向医院索取。",
    next_en="Everyone else's lines can still be read, with gaps marked; only the hospital still has the whole file.",
    http=410,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class DataKey:
    """A patient's key, unwrapped: 32 bytes and the suite that it is used with."""

    suite: str
    key: bytes = field(repr=False)


KeyLookup = Callable[[str, Collection[str]], Mapping[str, DataKey | None]]
"""(organisation, patients) -> the keys there are; None for one that was destroyed."""


def no_patient_keys(_organisation_id: str, _patients: Collection[str]) -> Mapping[str, DataKey | None]:
    """The look-up of a landing zone that holds format 1 alone."""
    return {}


@dataclass(frozen=True)
class Gap:
    """So many bytes of this patient were here, and cannot be read any more."""

    patient_id: str
    bytes: int


class SegmentWriter:
    """Seals what is written to it, each piece under its owner's key. `close` writes the index."""

    def __init__(
        self,
        sink: BinaryIO,
        keys: KeyRing,
        organisation_id: str,
        find_keys: KeyLookup,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        facts = {
            "format_version": FORMAT_VERSION,
            "suite": keys.suite,
            "key_id": _key_id(keys),
            "window_bytes": window_bytes,
        }
        file_key = os.urandom(KEY_BYTES)
        wrapped = keys.wrap(file_key, purpose=_purpose(organisation_id), binding=canonical_json(facts))
        header = canonical_json({**facts, "wrapped_key": base64.b64encode(wrapped).decode()}) + b"\n"
        self._file_key = DataKey(keys.suite, file_key)
        self._header_hash = hashlib.sha256(header).digest()
        self._sink, self._organisation_id, self._find_keys = sink, organisation_id, find_keys
        self._window_bytes = window_bytes
        self._numbers: dict[str, int] = {}
        self._windows: list[list[int]] = []  # [offset, length of the sealed layout]
        self._runs: list[tuple[str, bytes]] = []
        self._held = 0
        self._at = len(header)
        self._bytes, self._plaintext = 0, hashlib.sha256()
        sink.write(header)

    def write(self, patient_id: str, piece: bytes) -> None:
        """The next bytes of the file, and whose they are."""
        self._plaintext.update(piece)
        self._bytes += len(piece)
        self._runs.append((patient_id, piece))
        self._held += len(piece)
        if self._held >= self._window_bytes:
            self._seal_window()

    def close(self) -> None:
        if self._runs:
            self._seal_window()
        index = {
            "bytes": self._bytes,
            "sha256": self._plaintext.hexdigest(),
            "patients": list(self._numbers),
            "windows": self._windows,
        }
        length = self._seal(self._file_key, _json(index), self._bound(b"index"))
        self._sink.write(length.to_bytes(_TRAILER_BYTES, "big"))

    def _seal_window(self) -> None:
        """The layout is flat: patients' numbers in the order of their chunks; then chunk, bytes, chunk, bytes..."""
        chunks: dict[str, list[bytes]] = {}
        order: dict[str, int] = {}
        runs: list[int] = []
        for patient_id, piece in self._runs:
            chunk = order.setdefault(patient_id, len(order))
            chunks.setdefault(patient_id, []).append(piece)
            if runs and runs[-2] == chunk:
                runs[-1] += len(piece)
            else:
                runs += [chunk, len(piece)]
        keys = self._find_keys(self._organisation_id, chunks)
        numbers = [self._numbers.setdefault(patient_id, len(self._numbers)) for patient_id in order]
        layout = _json({"patients": numbers, "runs": runs})
        window = len(self._windows)
        self._windows.append([self._at, len(layout) + _SEAL_BYTES])
        self._seal(self._file_key, layout, self._bound(b"layout", window))
        for patient_id, chunk in order.items():
            key = keys.get(patient_id)
            if key is None:
                raise ValueError("every patient of a file has a key before its lines are sealed")
            self._seal(key, b"".join(chunks[patient_id]), self._bound(b"chunk", window, chunk))
        self._runs.clear()
        self._held = 0

    def _seal(self, key: DataKey, plain: bytes, bound: bytes) -> int:
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + suite(key.suite).seal(key.key, nonce, plain, bound)
        self._sink.write(sealed)
        self._at += len(sealed)
        return len(sealed)

    def _bound(self, kind: bytes, *place: int) -> bytes:
        return _bound(self._header_hash, kind, *place)


class Segments:
    """A file in format 2, opened: its index is read and authentic, its windows are read as they are asked for."""

    def __init__(
        self, source: BinaryIO, keys: KeyRing, organisation_id: str, name: str, find_keys: KeyLookup
    ) -> None:
        self.name = name
        self._source, self._organisation_id, self._find_keys = source, organisation_id, find_keys
        header, facts, wrapped = _read_header(source, name)
        self._header_hash = hashlib.sha256(header).digest()
        binding = canonical_json({fact: facts[fact] for fact in _FACTS})
        keys = keys.of_suite(facts["suite"])
        try:
            file_key = keys.unwrap(wrapped, purpose=_purpose(organisation_id), binding=binding)
        except InvalidTag:
            raise NOT_OUR_KEY.error(name=name) from None
        self._file_key = DataKey(keys.suite, file_key)
        self._found: dict[str, DataKey | None] = {}
        index = self._read_index()
        self.bytes: int = index["bytes"]
        self.sha256: str = index["sha256"]
        # After an erasure the content is no longer what was received, and its name still is.
        self._content_sha256: str = index.get("content_sha256", self.sha256)
        self.patients: tuple[str, ...] = tuple(index["patients"])
        self._windows: list[list[int]] = index["windows"]

    def pieces(self) -> Iterator[bytes | Gap]:
        """The bytes as received, in order; a Gap where a patient's key was destroyed.

        No byte is given out before its chunk was found authentic; without a gap, the last one comes only
        when the whole has the length and SHA-256 that the index says.
        """
        plaintext, size, whole = hashlib.sha256(), 0, True
        held: bytes | Gap = b""
        for window in range(len(self._windows)):
            for piece in self._window(window):
                if isinstance(piece, Gap):
                    whole = False
                else:
                    plaintext.update(piece)
                    size += len(piece)
                if not piece:
                    continue
                if held:
                    yield held
                held = piece
        # Without a hash a patient's key was destroyed in another way before, and no key is made again.
        expected = self._content_sha256 or plaintext.hexdigest()
        if whole and (size, plaintext.hexdigest()) != (self.bytes, expected):
            raise self._damaged("its content is not what its index says", "内容与索引不符")
        if held:
            yield held

    def destroyed(self) -> list[str]:
        """The patients of this file whose keys are no more."""
        keys = self._keys_of(self.patients)
        return [patient for patient in self.patients if keys[patient] is None]

    def _window(self, window: int) -> Iterator[bytes | Gap]:
        offset, length = self._windows[window]
        self._source.seek(offset)
        layout = json.loads(self._open(self._file_key, length, b"layout", window))
        patients = [self.patients[number] for number in layout["patients"]]
        runs = list(zip(layout["runs"][::2], layout["runs"][1::2], strict=True))
        sizes = [0] * len(patients)
        for chunk, size in runs:
            sizes[chunk] += size
        keys = self._keys_of(patients)
        chunks: list[bytes | None] = []
        for chunk, (patient, size) in enumerate(zip(patients, sizes, strict=True)):
            key = keys[patient]
            if key is None:
                self._source.seek(size + _SEAL_BYTES, io.SEEK_CUR)
            opened = None if key is None else self._open(key, size + _SEAL_BYTES, b"chunk", window, chunk)
            chunks.append(opened)
        taken = [0] * len(patients)
        read: list[bytes] = []
        for chunk, size in runs:
            content, start = chunks[chunk], taken[chunk]
            taken[chunk] += size
            if content is not None:
                read.append(content[start : start + size])
                continue
            yield b"".join(read)
            read.clear()
            yield Gap(patients[chunk], size)
        yield b"".join(read)

    def _keys_of(self, patients: Collection[str]) -> Mapping[str, DataKey | None]:
        unknown = set(patients) - self._found.keys()
        if unknown:
            found = self._find_keys(self._organisation_id, unknown)
            if unknown - found.keys():
                raise self._damaged("a patient's key is not on record", "缺少某位患者的密钥记录")
            self._found.update(found)
        return self._found

    def _read_index(self) -> Any:
        end = self._source.seek(0, io.SEEK_END) - _TRAILER_BYTES
        self._source.seek(max(0, end))
        length = int.from_bytes(self._source.read(_TRAILER_BYTES), "big")
        if not 0 < length <= end:
            raise self._damaged("its end is missing", "文件尾缺失")
        self._source.seek(end - length)
        return json.loads(self._open(self._file_key, length, b"index"))

    def _open(self, key: DataKey, length: int, kind: bytes, *place: int) -> bytes:
        sealed = self._source.read(length)
        bound = _bound(self._header_hash, kind, *place)
        try:
            return suite(key.suite).open(key.key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
        except InvalidTag:
            at = " ".join([kind.decode(), *map(str, place)])
            raise self._damaged(at, at) from None

    def _damaged(self, where: str, where_zh: str) -> Exception:
        return DAMAGED.error(name=self.name, where=where, where_zh=where_zh)


class SegmentReader(io.RawIOBase):
    """The whole file, forward only. Raises `raw.patient_destroyed` where a patient's bytes are gone for good."""

    def __init__(self, segments: Segments, source: BinaryIO, expected_sha256: str) -> None:
        super().__init__()
        if segments.sha256 != expected_sha256:
            where = {"where": "its content is not what its name says", "where_zh": "内容与其名称不符"}
            raise DAMAGED.error(name=segments.name, **where)
        self._segments, self._source = segments, source
        self._pieces = segments.pieces()
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain:
            piece = next(self._pieces, None)
            if isinstance(piece, Gap):
                raise destroyed_error(self._segments)
            if piece is None:
                return 0
            self._plain = memoryview(piece)
        size = min(len(buffer), len(self._plain))
        buffer[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


def destroyed_error(segments: Segments) -> Exception:
    """Names the first three; a pseudonym tells nothing without its key."""
    gone = segments.destroyed()
    named = ", ".join(gone[:_NAMED]) + (", …" if len(gone) > _NAMED else "")
    return DESTROYED.error(name=segments.name, count=len(gone), patients=named)


def _purpose(organisation_id: str) -> str:
    return f"segments/{organisation_id}"


def _key_id(keys: KeyRing) -> str:
    return keys.derive("key-id", "raw").hex()[:16]


def _json(value: Any) -> bytes:
    """Compact, and not canonical: only the sealed bytes are ever compared, and there are many numbers."""
    return json.dumps(value, separators=(",", ":")).encode()


def _bound(header_hash: bytes, kind: bytes, *place: int) -> bytes:
    return b"".join([header_hash, kind, *(number.to_bytes(8, "big") for number in place)])


def _read_header(source: BinaryIO, name: str) -> tuple[bytes, Mapping[str, Any], bytes]:
    header = source.readline(_LONGEST_HEADER)
    try:
        facts = json.loads(header)
        wrapped = base64.b64decode(facts["wrapped_key"], validate=True)
        if not header.endswith(b"\n") or set(facts) != {*_FACTS, "wrapped_key"}:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DAMAGED.error(name=name, where="its header", where_zh="文件头") from None
    if facts["format_version"] != FORMAT_VERSION or facts["suite"] not in SUITE_NAMES:
        raise VERSION_UNKNOWN.error(name=name)
    return header, facts, wrapped
