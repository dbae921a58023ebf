"""The two sets of algorithms that a deployment can choose from: `intl` and `gm` (国密, the Chinese standards).

    name   keyed hash     key derivation            sealing
    intl   HMAC-SHA256    HKDF-SHA256 (RFC 5869)    AES-256-GCM (NIST SP 800-38D)
    gm     HMAC-SM3       HKDF-SM3                  SM4-GCM (RFC 8998)

SM3 is GB/T 32905, SM4 is GB/T 32907. Everything that is kept says by which suite it was made, so that it
can be read when the deployment's suite is another. All of it is the `cryptography` package's work.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.hashes import SHA256, SM3, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rwd_platform.core.errors import Exit, Problem

INTL, GM = "intl", "gm"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_SM4_KEY_BYTES = 16
_SM4_KEY_INFO = b"rwd sm4-gcm key"

SUITE_UNKNOWN = Problem(
    code="suite.unknown",
    zh="密码套件 {name} 不存在，可用的套件为 {known}。",
    en="There is no cipher suite {name}; the suites are {known}.",
    next_zh="请核对 RWD_SUITE；若套件名来自已保存的文件或假名，请用写入它的版本或更新的版本打开。",
    next_en="Check RWD_SUITE. If the name stands in a file or token, open that with the version that wrote it "
    "or a newer one.",
    exit=Exit.MALFORMED,
)


class Suite(ABC):
    """A keyed hash, a key derivation and an authenticated cipher that belong together. Keys are 32 bytes."""

    name: str
    _hash: type[HashAlgorithm]

    @abstractmethod
    def mac(self, key: bytes, message: bytes) -> bytes:
        """HMAC (RFC 2104) of a message: 32 bytes."""

    def derive(self, root: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
        """HKDF (RFC 5869) without salt: `length` bytes for the purpose that `info` names."""
        return HKDF(algorithm=self._hash(), length=length, salt=None, info=info).derive(root)

    def seal(self, key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
        """The ciphertext, then its 16-byte tag. `bound` is not hidden, but opening asks for the same.

        A nonce of 12 bytes; under one key no nonce may come twice. Raises ValueError for a key that is
        not 32 bytes or a nonce that is not 12: both are the program's own.
        """
        _check_lengths(key, nonce)
        return self._seal(key, nonce, plain, bound)

    def open(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        """What was sealed. Raises InvalidTag when key, nonce, bytes or `bound` are not those of `seal`."""
        if len(nonce) != NONCE_BYTES or len(sealed) < TAG_BYTES:
            raise InvalidTag  # cut short: as little authentic as a changed byte
        _check_lengths(key, nonce)
        return self._open(key, nonce, sealed, bound)

    @abstractmethod
    def _seal(self, key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes: ...

    @abstractmethod
    def _open(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes: ...

    def __repr__(self) -> str:
        return f"suite({self.name!r})"


class _Intl(Suite):
    name = INTL
    _hash = SHA256

    def mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, "sha256")

    def _seal(self, key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
        return AESGCM(key).encrypt(nonce, plain, bound)

    def _open(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        return AESGCM(key).decrypt(nonce, sealed, bound)


class _Gm(Suite):
    name = GM
    _hash = SM3

    def mac(self, key: bytes, message: bytes) -> bytes:
        # The standard library has SM3 only where the machine's OpenSSL happens to offer it.
        keyed = HMAC(key, SM3())
        keyed.update(message)
        return keyed.finalize()

    def _seal(self, key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
        return sm4_gcm_seal(self._sm4_key(key), nonce, plain, bound)

    def _open(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        return sm4_gcm_open(self._sm4_key(key), nonce, sealed, bound)

    def _sm4_key(self, key: bytes) -> bytes:
        """SM4 takes 16 bytes. They are derived from all 32, not cut off their beginning.

        So every byte of a key counts, and the cipher's key is no part of a key that may also serve `mac`.
        """
        return self.derive(key, _SM4_KEY_INFO, _SM4_KEY_BYTES)


def sm4_gcm_seal(key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
    """SM4-GCM (RFC 8998) under a 16-byte key: the ciphertext, then its 16-byte tag."""
    encryptor = Cipher(SM4(key), GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(bound)
    return encryptor.update(plain) + encryptor.finalize() + encryptor.tag


def sm4_gcm_open(key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    """The reverse; raises InvalidTag, and gives out no byte before the tag was found right."""
    plain, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    decryptor = Cipher(SM4(key), GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(bound)
    return decryptor.update(plain) + decryptor.finalize()


_SUITES: Mapping[str, Suite] = {INTL: _Intl(), GM: _Gm()}
SUITE_NAMES = tuple(_SUITES)


def suite(name: str) -> Suite:
    """The suite of that name. Raises `suite.unknown`, which repeats no more of the name than a name has."""
    found = _SUITES.get(name)
    if found is None:
        raise SUITE_UNKNOWN.error(name=_shown(name), known=", ".join(SUITE_NAMES))
    return found


def _shown(name: str) -> str:
    """What stands where a suite's name should be may be anything; only what looks like a name is repeated."""
    return name if len(name) <= 16 and name.isascii() and name.isalnum() else "?"


def _check_lengths(key: bytes, nonce: bytes) -> None:
    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise ValueError("a suite seals under 32 bytes of key with 12 bytes of nonce")
