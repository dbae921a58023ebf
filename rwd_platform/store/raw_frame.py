"""The encrypted raw frame, format 1: a file as received, at rest.

    header   one line of JSON: format_version, suite, key_id, wrapped_key (base64), chunk_bytes
    chunk    the suite's cipher (AES-256-GCM, SM4-GCM) of `chunk_bytes` bytes, then its 16-byte tag; repeated
    chunk    the last one: 0 to `chunk_bytes` bytes of plaintext

Every file has its own random data key, wrapped by the key ring for the hospital that sent it. A chunk's
nonce holds its index and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway
and Vizar, 2015), and its associated data holds the header's hash. So a chunk that was changed, left out,
repeated, moved or added does not decrypt, nor does a file that was cut at a chunk's edge. A frame is opened
with the suite that its header names, whichever the deployment writes with.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.signing.keys import KEY_BYTES, KeyRing
from rwd_platform.signing.suites import SUITE_NAMES, TAG_BYTES

FORMAT_VERSION = 1
CHUNK_BYTES = 1 << 20
_LONGEST_HEADER = 4096
_FACTS = ("format_version", "suite", "key_id", "chunk_bytes")

DAMAGED = Problem(
    code="raw.damaged",
    zh="加密原始文件 {name} 已损坏：{where_zh}。",
    en="The encrypted raw file {name} is damaged: {where}.",
    next_zh="请从备份恢复该文件，或请医院重新发送；在此之前不要使用它。",
    next_en="Restore the file from a backup, or ask the hospital to send it again; do not use it until then.",
    http=500,
    exit=Exit.NO,
)
NOT_OUR_KEY = Problem(
    code="raw.wrong_key",
    zh="加密原始文件 {name} 不能用当前根密钥打开，或不属于该医院。",
    en="The encrypted raw file {name} cannot be opened with this root key, or is not this hospital's.",
    next_zh="请检查 RWD_ROOT_KEY_FILE 是否为写入该文件时所用的密钥。",
    next_en="Check that RWD_ROOT_KEY_FILE is the key that the file was written under.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
VERSION_UNKNOWN = Problem(
    code="raw.version_unknown",
    zh="加密原始文件 {name} 的格式版本或密码套件本程序不认识。",
    en="The encrypted raw file {name} has a format version or cipher suite that this program does not know.",
    next_zh="请用写入它的版本或更新的版本打开。",
    next_en="Open it with the version that wrote it, or a newer one.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def _purpose(organisation_id: str) -> str:
    return f"raw/{organisation_id}"


def _key_id(keys: KeyRing) -> str:
    """Which root key wrapped the data key; tells nothing about the key itself."""
    return keys.derive("key-id", "raw").hex()[:16]


def _nonce(index: int, last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([last])


class RawWriter:
    """Encrypts what is written to it. `close` writes the last chunk; without it the frame reads as cut."""

    def __init__(self, sink: BinaryIO, keys: KeyRing, organisation_id: str, chunk_bytes: int = CHUNK_BYTES):
        facts = {
            "format_version": FORMAT_VERSION,
            "suite": keys.suite,
            "key_id": _key_id(keys),
            "chunk_bytes": chunk_bytes,
        }
        data_key = os.urandom(KEY_BYTES)
        wrapped = keys.wrap(data_key, purpose=_purpose(organisation_id), binding=canonical_json(facts))
        header = canonical_json({**facts, "wrapped_key": base64.b64encode(wrapped).decode()}) + b"\n"
        self._sink = sink
        self._ciphers, self._data_key = keys.ciphers, data_key
        self._header_hash = hashlib.sha256(header).digest()
        self._chunk_bytes = chunk_bytes
        self._pending = bytearray()
        self._index = 0
        sink.write(header)

    def write(self, chunk: bytes) -> None:
        self._pending += chunk
        # A full chunk is held back until more comes: only then is it known not to be the last.
        while len(self._pending) > self._chunk_bytes:
            self._seal(bytes(self._pending[: self._chunk_bytes]), last=False)
            del self._pending[: self._chunk_bytes]

    def close(self) -> None:
        self._seal(bytes(self._pending), last=True)
        self._pending.clear()

    def _seal(self, plain: bytes, last: bool) -> None:
        nonce = _nonce(self._index, last)
        self._sink.write(self._ciphers.seal(self._data_key, nonce, plain, self._header_hash))
        self._index += 1


class RawReader(io.RawIOBase):
    """Decrypts a frame, forward only; gzip and io.BufferedReader can read from it.

    No byte is given out before its chunk has been authenticated. A frame that was cut gives its whole
    chunks first and raises `raw.damaged` where the next should begin, never a quiet end of file.
    With `expected_sha256` the end of file is given only if the plaintext read has that hash.
    """

    def __init__(
        self,
        source: BinaryIO,
        keys: KeyRing,
        organisation_id: str,
        name: str,
        expected_sha256: str | None = None,
    ):
        super().__init__()
        self._source = source
        self._name = name
        header, facts, wrapped = _read_header(source, name)
        self._header_hash = hashlib.sha256(header).digest()
        self._chunk_bytes: int = facts["chunk_bytes"]
        binding = canonical_json({fact: facts[fact] for fact in _FACTS})
        keys = keys.of_suite(facts["suite"])
        try:
            self._data_key = keys.unwrap(wrapped, purpose=_purpose(organisation_id), binding=binding)
        except InvalidTag:
            raise NOT_OUR_KEY.error(name=name) from None
        self._ciphers = keys.ciphers
        self._plaintext = hashlib.sha256()
        self._expected = expected_sha256
        self._ahead = source.read(self._chunk_bytes + TAG_BYTES)
        self._plain = memoryview(b"")
        self._index = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain and not self._ended:
            self._next_chunk()
        size = min(len(buffer), len(self._plain))
        buffer[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

    def _next_chunk(self) -> None:
        sealed, self._ahead = self._ahead, self._source.read(self._chunk_bytes + TAG_BYTES)
        last = not self._ahead
        try:
            nonce = _nonce(self._index, last)
            plain = self._ciphers.open(self._data_key, nonce, sealed, self._header_hash)
        except InvalidTag:
            where = {"where": f"chunk {self._index}", "where_zh": f"第 {self._index} 块"}
            raise DAMAGED.error(name=self._name, **where) from None
        self._index += 1
        self._ended = last
        self._plaintext.update(plain)
        if last and self._expected and self._plaintext.hexdigest() != self._expected:
            raise DAMAGED.error(
                name=self._name, where="its content is not what its name says", where_zh="内容与其名称不符"
            )
        self._plain = memoryview(plain)


def _read_header(source: BinaryIO, name: str) -> tuple[bytes, Mapping[str, Any], bytes]:
    """The header's bytes, its facts, and the wrapped data key."""
    header = source.readline(_LONGEST_HEADER)
    try:
        facts = json.loads(header)
        version, suite, chunk_bytes = facts["format_version"], facts["suite"], facts["chunk_bytes"]
        wrapped = base64.b64decode(facts["wrapped_key"], validate=True)
        whole = header.endswith(b"\n") and isinstance(chunk_bytes, int) and 0 < chunk_bytes <= 1 << 26
        if not whole or set(facts) != {*_FACTS, "wrapped_key"}:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DAMAGED.error(name=name, where="its header", where_zh="文件头") from None
    if version != FORMAT_VERSION or suite not in SUITE_NAMES:
        raise VERSION_UNKNOWN.error(name=name)
    return header, facts, wrapped
