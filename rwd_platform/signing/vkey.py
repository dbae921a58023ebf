"""Public keys as people hand them over: 64 hex digits, a C2SP verifier key, or a file that holds one of them.

A verifier key is `<name>+<key id in hex>+<base64 of type byte and key>` (C2SP signed-note); the types we read are
0x01 (an Ed25519 signature of a note) and 0x04 (a timestamped Ed25519 cosignature).
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from rwd_platform.core.errors import Problem

SIGNATURE, COSIGNATURE = b"\x01", b"\x04"
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")
_LONGEST = 4096  # of a file that is said to hold a key

KEY_UNREADABLE = Problem(
    code="signing.key_unreadable",
    zh="给出的公钥无法读取：应为 64 位十六进制数字、“名称+编号+base64”形式的公钥，或含有它的文件。",
    en="The public key given cannot be read: it must be 64 hex digits, a verifier key `name+id+base64`, or a file "
    "that holds one of them.",
    next_zh="请向密钥持有方重新索取公钥。",
    next_en="Ask whoever holds the key for its public part again.",
)


@dataclass(frozen=True)
class VerifierKey:
    """`name` is empty for a key that came without one. `public_key` has 32 bytes."""

    name: str
    public_key: bytes
    kind: bytes = COSIGNATURE

    @property
    def text(self) -> str:
        identity = hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public_key).digest()[:4]
        return f"{self.name}+{identity.hex()}+{base64.b64encode(self.kind + self.public_key).decode()}"


def read_vkey(given: str) -> bytes:
    """The 32 bytes of the key. Raises `signing.key_unreadable`."""
    return read_verifier_key(given).public_key


def read_verifier_key(given: str) -> VerifierKey:
    """Key and name. Raises `signing.key_unreadable`, also for a verifier key whose id is not that of its key."""
    try:
        is_key = _HEX_KEY.fullmatch(given) is not None or given.count("+") >= 2
        return _parsed(given if is_key else _text_in(Path(given)))
    except (OSError, ValueError) as error:
        raise KEY_UNREADABLE.error() from error


def _parsed(text: str) -> VerifierKey:
    text = text.strip()
    if _HEX_KEY.fullmatch(text):
        return VerifierKey("", bytes.fromhex(text))
    name, _, rest = text.partition("+")
    identity, _, encoded = rest.partition("+")
    raw = base64.b64decode(encoded, validate=True)
    key = VerifierKey(name, raw[1:], raw[:1])
    if len(raw) != 33 or key.kind not in (SIGNATURE, COSIGNATURE) or key.text.split("+")[1] != identity:
        raise ValueError("no verifier key")
    return key


def _text_in(path: Path) -> str:
    with path.open(encoding="utf-8") as stream:
        return stream.read(_LONGEST)
