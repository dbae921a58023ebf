"""What lies beside a lock and may not lie in it, each piece sealed under a key of its own lock and kind.

home/ledger/<lock id>.<kind>    head (suite), nonce, sealed bytes
"""

from __future__ import annotations

import os
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
    ciphers, nonce = platform.keys.ciphers, os.urandom(NONCE_BYTES)
    key = platform.keys.derive(LEDGER, kind, lock_id)
    part = path.with_name(f"{path.name}.part")
    with open_part(part) as stream:
        stream.write(_HEAD + ciphers.name.encode() + b"\n")
        stream.write(nonce + ciphers.seal(key, nonce, plain, lock_id.encode()))
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
    head, _, rest = path.read_bytes().partition(b"\n")
    try:
        keys = platform.keys.of_suite(head.removeprefix(_HEAD).decode("ascii"))
        key = keys.derive(LEDGER, kind, lock_id)
        return keys.ciphers.open(key, rest[:NONCE_BYTES], rest[NONCE_BYTES:], lock_id.encode())
    except (InvalidTag, UnicodeDecodeError, PlatformError):
        raise MAP_DAMAGED.error(lock=lock_id, kind=kind) from None


def _path(platform: Platform, lock_id: str, kind: str) -> Path:
    return platform.layout.home / LEDGER / f"{safe_name(lock_id, 'lock id')}.{kind}"
