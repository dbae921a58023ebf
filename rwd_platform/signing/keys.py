"""Every key of a deployment, derived from one root key file that lies outside database and backups.

HKDF (RFC 5869) by the deployment's suite; `info` names suite, purpose, parts and version, each
length-prefixed, so that no two purposes can meet:

    root -> pseudonym / hospital     a hospital's tokens in the lake
         -> linkage                  one person at several hospitals
         -> project / project        a project's own tokens
         -> date / project           how far a patient's dates are shifted
         -> wrap / purpose           what wraps the data keys of files and patients

The demo uses a published key, which every real deployment refuses.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.signing import suites
from rwd_platform.signing.suites import INTL, NONCE_BYTES, Suite

KEY_BYTES = suites.KEY_BYTES
DEMO_ROOT = b"published demo key: not a secret"

ROOT_KEY_MISSING = Problem(
    code="keys.root_missing",
    zh="找不到根密钥文件 {path}。",
    en="There is no root key file at {path}.",
    next_zh="请设置 RWD_ROOT_KEY_FILE；新部署可用 `rwd doctor --make-root-key` 生成一把。{demo_zh}",
    next_en="Set RWD_ROOT_KEY_FILE; `rwd doctor --make-root-key` makes one for a new deployment.{demo_en}",
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
    suite: str = INTL

    def __post_init__(self) -> None:
        suites.suite(self.suite)  # refuses a name that is none

    @property
    def ciphers(self) -> Suite:
        """The suite that everything of this ring goes through."""
        return suites.suite(self.suite)

    def of_suite(self, name: str) -> KeyRing:
        """The same root under another suite: what was written under that one opens with it."""
        return replace(self, suite=name)

    @property
    def is_demo(self) -> bool:
        return self.root == DEMO_ROOT

    def derive(self, purpose: str, *parts: str, version: int = 1) -> bytes:
        """32 bytes for one purpose: `derive("pseudonym", organisation)`."""
        info = b"".join(
            len(part.encode()).to_bytes(2, "big") + part.encode()
            for part in ("rwd", self.suite, purpose, *parts, str(version))
        )
        return self.ciphers.derive(self.root, info)

    def wrap(self, data_key: bytes, *, purpose: str, binding: bytes) -> bytes:
        """A data key encrypted under a derived key: 12 bytes of nonce, then what the suite seals."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.ciphers.seal(self.derive("wrap", purpose), nonce, data_key, binding)

    def unwrap(self, wrapped: bytes, *, purpose: str, binding: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag when key, binding or bytes are not those of `wrap`."""
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        return self.ciphers.open(self.derive("wrap", purpose), nonce, sealed, binding)


def demo_key_ring(suite: str = INTL) -> KeyRing:
    return KeyRing(DEMO_ROOT, suite)


def load_key_ring(path: Path, suite: str = INTL, demo_home: Path | None = None) -> KeyRing:
    """The key ring of a deployment. Refuses a file that others can read, and the published demo key.

    demo_home -- where a demo lies that the caller may have meant
    """
    if not path.is_file():
        raise ROOT_KEY_MISSING.error(
            path=path,
            demo_zh=f"如要查看演示，请在命令前写 RWD_DEMO=1 RWD_HOME={demo_home}。" if demo_home else "",
            demo_en=f" For the demo, put RWD_DEMO=1 RWD_HOME={demo_home} before the command."
            if demo_home
            else "",
        )
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ROOT_KEY_UNSAFE.error(path=path, why="others can read it", why_zh="其他用户可读")
    root = path.read_bytes()
    if len(root) != KEY_BYTES:
        raise ROOT_KEY_UNSAFE.error(path=path, why="its length is not 32 bytes", why_zh="长度不是 32 字节")
    if root == DEMO_ROOT:
        raise ROOT_KEY_UNSAFE.error(
            path=path, why="it is the published demo key", why_zh="它是公开的演示密钥"
        )
    return KeyRing(root, suite)


def make_root_key(path: Path) -> None:
    """A new random root key, readable by its owner alone. Never overwrites."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(os.urandom(KEY_BYTES))
