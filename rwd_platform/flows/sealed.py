"""What may be kept and not be read: each piece sealed under a key of its own.

home/ledger/<lock id>.<kind>    what lies beside a lock and may not lie in it: head (suite), nonce, sealed bytes
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag

from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.signing.suites import NONCE_BYTES
from rwd_platform.store.layout import durable_folder, open_part, safe_name, sync_folder

LEDGER = "ledger"
_HEAD = b"rwd-ledger-map 1 "

MAP_DAMAGED = Problem(
    code="ledger.map_damaged",
    zh="数据锁定 {lock} 的对照表（{kind}）已损坏或被更改，不能打开。",
    en="The map ({kind}) of lock {lock} is damaged or was changed and cannot be opened.",
    next_zh="请从备份恢复 home/ledger 下的该文件；在此之前不能据此发布结果、查看身份或追溯来源。",
    next_en="Restore that file under home/ledger from a backup; until then nothing can be released, looked up or"
    " traced by it.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def seal(platform: Platform, lock_id: str, kind: str, plain: bytes) -> Path:
    """Keep `plain` beside a lock. Sealing again replaces it, whole or not at all."""
    path = _path(platform, lock_id, kind)
    durable_folder(path.parent)
    part = path.with_name(f"{path.name}.part")
    with open_part(part) as stream:
        stream.write(sealed_bytes(platform, _HEAD, (LEDGER, kind, lock_id), plain))
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    sync_folder(path.parent)
    return path


def unseal(platform: Platform, lock_id: str, kind: str) -> bytes | None:
    """What was kept; None for a lock that was made without it. Raises `ledger.map_damaged`."""
    path = _path(platform, lock_id, kind)
    if not path.is_file():
        return None
    plain = opened_bytes(platform, _HEAD, (LEDGER, kind, lock_id), path.read_bytes())
    if plain is None:
        raise MAP_DAMAGED.error(lock=lock_id, kind=kind)
    return plain


def forget(platform: Platform, lock_id: str, kind: str) -> None:
    """Remove what was kept; nothing where nothing is."""
    path = _path(platform, lock_id, kind)
    if path.is_file():
        path.unlink()
        sync_folder(path.parent)


def sealed_bytes(platform: Platform, head: bytes, key_of: Sequence[str], plain: bytes) -> bytes:
    """head, suite, nonce, sealed bytes. `key_of`: the purpose and the parts of the key, the thing's id last, to which
    the bytes are bound.
    """
    ciphers, nonce = platform.keys.ciphers, os.urandom(NONCE_BYTES)
    key = platform.keys.derive(*key_of)
    return head + ciphers.name.encode() + b"\n" + nonce + ciphers.seal(key, nonce, plain, key_of[-1].encode())


def opened_bytes(platform: Platform, head: bytes, key_of: Sequence[str], kept: bytes) -> bytes | None:
    """What `sealed_bytes` sealed; None for bytes that are damaged, changed, or another thing's."""
    named, _, rest = kept.partition(b"\n")
    try:
        keys = platform.keys.of_suite(named.removeprefix(head).decode("ascii"))
        key = keys.derive(*key_of)
        return keys.ciphers.open(key, rest[:NONCE_BYTES], rest[NONCE_BYTES:], key_of[-1].encode())
    except (InvalidTag, UnicodeDecodeError, PlatformError):
        return None


def _path(platform: Platform, lock_id: str, kind: str) -> Path:
    return platform.layout.home / LEDGER / f"{safe_name(lock_id, 'lock id')}.{kind}"
