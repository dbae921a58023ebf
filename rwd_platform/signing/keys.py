"""Every key of a deployment, derived from one root key file that lies outside database and backups.

HKDF-SHA256 (RFC 5869); `info` names purpose, parts and version, each length-prefixed, so that no
two purposes can meet. The demo uses a published key, which every real deployment refuses.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rwd_platform.core.errors import Exit, Problem

KEY_BYTES = 32
SUITE = "intl"  # HMAC-SHA256, AES-256-GCM, Ed25519
DEMO_ROOT = b"published demo key: not a secret"

ROOT_KEY_MISSING = Problem(
    code="keys.root_missing",
    zh="找不到根密钥文件 {path}。",
    en="There is no root key file at {path}.",
    next_zh="请设置 RWD_ROOT_KEY_FILE；新部署可用 `rwd doctor --make-root-key` 生成一把。",
    next_en="Set RWD_ROOT_KEY_FILE; `rwd doctor --make-root-key` makes one for a new deployment.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
ROOT_KEY_UNSAFE = Problem(
    code="keys.root_unsafe",
    zh="根密钥文件 {path} 不能使用：{why_zh}。",
    en="The root key file {path} cannot be used: {why}.",
    next_zh="密钥文件应为 32 字节、仅所有者可读（chmod 600）、且不是公开的演示密钥。",
    next_en="It must hold 32 bytes, be readable by its owner alone (chmod 600), and not be the published demo key.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class KeyRing:
    """The root key and what is derived from it. A KMS or HSM adapter offers the same three methods."""

    root: bytes = field(repr=False)

    @property
    def is_demo(self) -> bool:
        return self.root == DEMO_ROOT

    def derive(self, purpose: str, *parts: str, version: int = 1) -> bytes:
        """32 bytes for one purpose: `derive("pseudonym", organisation)`."""
        info = b"".join(
            len(part.encode()).to_bytes(2, "big") + part.encode()
            for part in ("rwd", SUITE, purpose, *parts, str(version))
        )
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.root)

    def wrap(self, data_key: bytes, *, purpose: str, binding: bytes) -> bytes:
        """A data key encrypted under a derived key: 12 bytes of nonce, then AES-256-GCM."""
        nonce = os.urandom(12)
        return nonce + AESGCM(self.derive("wrap", purpose)).encrypt(nonce, data_key, binding)

    def unwrap(self, wrapped: bytes, *, purpose: str, binding: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag when key, binding or bytes are not those of `wrap`."""
        return AESGCM(self.derive("wrap", purpose)).decrypt(wrapped[:12], wrapped[12:], binding)


def demo_key_ring() -> KeyRing:
    return KeyRing(DEMO_ROOT)


def load_key_ring(path: Path) -> KeyRing:
    """The key ring of a deployment. Refuses a file that others can read, and the published demo key."""
    if not path.is_file():
        raise ROOT_KEY_MISSING.error(path=path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ROOT_KEY_UNSAFE.error(path=path, why="others can read it", why_zh="其他用户可读")
    root = path.read_bytes()
    if len(root) != KEY_BYTES:
        raise ROOT_KEY_UNSAFE.error(path=path, why="its length is not 32 bytes", why_zh="长度不是 32 字节")
    if root == DEMO_ROOT:
        raise ROOT_KEY_UNSAFE.error(
            path=path, why="it is the published demo key", why_zh="它是公开的演示密钥"
        )
    return KeyRing(root)


def make_root_key(path: Path) -> None:
    """A new random root key, readable by its owner alone. Never overwrites."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(os.urandom(KEY_BYTES))
