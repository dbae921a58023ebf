"""The hashes that a log's trees can be made with: SHA-256 (FIPS 180-4), and SM3 (GB/T 32905-2016).

A log has one tree or two over the same leaves. What it has is its profile, and stands once:

    profile   trees          for
    sha256    sha256         the default; C2SP's tools read it
    sm3       sm3            only the Chinese standard
    dual      sha256, sm3    both: each tree has nodes and checkpoints of its own

The tree with SHA-256 signs its heads under the log's own name, the one with SM3 under `<name>/sm3`, so that
a head says by which hash its root was made. Both digests have 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SM3, Hash

Digest = Callable[[bytes], bytes]

DIGEST_BYTES = 32
SM3_SUFFIX = "/sm3"


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _sm3_of_openssl(content: bytes) -> bytes:
    return hashlib.new("sm3", content).digest()


def _sm3_of_cryptography(content: bytes) -> bytes:
    hashed = Hash(SM3())
    hashed.update(content)
    return hashed.finalize()


def sm3_by(available: AbstractSet[str]) -> Digest:
    """The standard library's SM3 where the machine's OpenSSL offers it (it is the faster), else cryptography's."""
    return _sm3_of_openssl if "sm3" in available else _sm3_of_cryptography


sm3 = sm3_by(hashlib.algorithms_available)


@dataclass(frozen=True)
class TreeHash:
    """One of a log's trees: by which hash, and what its name adds to the log's."""

    name: str
    digest: Digest = field(repr=False, compare=False)
    suffix: str = ""

    def leaf(self, body: bytes) -> bytes:
        """RFC 9162 2.1.1: HASH(0x00 || entry)."""
        return self.digest(b"\x00" + body)

    def origin(self, log: str) -> str:
        """The name that this tree's heads are signed under."""
        return log + self.suffix


SHA256_TREE = TreeHash("sha256", sha256)
SM3_TREE = TreeHash("sm3", sm3, SM3_SUFFIX)

PROFILES: Mapping[str, tuple[TreeHash, ...]] = {
    "sha256": (SHA256_TREE,),
    "sm3": (SM3_TREE,),
    "dual": (SHA256_TREE, SM3_TREE),
}


def tree_of(origin: str, log: str | None = None) -> TreeHash:
    """The tree whose heads have this origin: one that ends in `/sm3` has SM3, unless the log itself is named so."""
    return SM3_TREE if origin.endswith(SM3_SUFFIX) and origin != log else SHA256_TREE
