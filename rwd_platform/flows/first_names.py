"""A patient's names through the rotations of a hospital's key, from the sealed lists that each rotation leaves.

A lock keeps the pseudonyms of its day. Two locks with a rotation between them are about the same people only
if their names are traced to the same one: the first that a patient had here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from deidentify.pseudonym import parse_token
from rwd_platform.core.canonical import canonical_json, sha256_hex
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.key_versions import FIRST, PSEUDONYM, RotationName, current_version
from rwd_platform.flows.platform import Platform
from rwd_platform.signing.suites import NONCE_BYTES
from rwd_platform.store.layout import durable_folder, open_part, safe_name, sync_folder

MAP_LOST = Problem(
    code="keys.map_lost",
    zh="机构 {organisation} 某次密钥轮换的新旧假名对照文件缺失，或不能用当前根密钥打开。",
    en="The list of old and new names of a rotation of {organisation} is missing or cannot be opened with this "
    "root key.",
    next_zh="请从备份恢复数据目录中的 rotations 文件夹，并检查 RWD_ROOT_KEY_FILE，然后重新执行。",
    next_en="Restore the folder rotations in the home folder from a backup, check RWD_ROOT_KEY_FILE, and run it "
    "again.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def first_names(platform: Platform, organisation_id: str) -> dict[str, str]:
    """Current pseudonym -> the first that the same patient or resource had; {} where nobody ever rotated.

    What came in after the last rotation is not in it: it has its first name still. Raises `keys.map_lost`.
    """
    first: dict[str, str] = {}
    for version in range(FIRST + 1, current_version(platform.records, PSEUDONYM, organisation_id) + 1):
        names = read_list(platform, RotationName(organisation_id, version))
        first = {new: first.get(old, old) for old, new in names.items()}
    return first


def current_name(platform: Platform, organisation_id: str, old: str) -> str:
    """What a lake pseudonym of this hospital is called now; itself where no rotation knew it.

    Raises `keys.map_lost`, `pseudonym.token_malformed`.
    """
    now = current_version(platform.records, PSEUDONYM, organisation_id)
    if now == FIRST:
        return old
    name = old
    for version in range(parse_token(old).version + 1, now + 1):
        name = read_list(platform, RotationName(organisation_id, version)).get(name, name)
    return name


# -- the sealed list of one rotation ---------------------------------------------------------------


def keep_list(platform: Platform, name: RotationName, names: Mapping[str, str]) -> str:
    """Seal old name -> new name under a key of its own and make it durable. Returns the file's SHA-256."""
    key = platform.keys.derive("retokenise", name.organisation_id)
    nonce = os.urandom(NONCE_BYTES)
    bound = str(name).encode()
    sealed = nonce + platform.keys.ciphers.seal(key, nonce, canonical_json(dict(names)), bound)
    path = _list_path(platform, name)
    durable_folder(path.parent)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)  # of a process that died here
    with open_part(part) as sink:
        sink.write(sealed)
        sink.flush()
        os.fsync(sink.fileno())
    part.replace(path)
    sync_folder(path.parent)
    return sha256_hex(sealed)


def read_list(platform: Platform, name: RotationName) -> dict[str, str]:
    """Old name -> new name of one rotation. Raises `keys.map_lost`."""
    from cryptography.exceptions import InvalidTag

    key = platform.keys.derive("retokenise", name.organisation_id)
    try:
        sealed = _list_path(platform, name).read_bytes()
        plain = platform.keys.ciphers.open(
            key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], str(name).encode()
        )
    except (FileNotFoundError, InvalidTag):
        raise MAP_LOST.error(organisation=name.organisation_id) from None
    names: dict[str, str] = json.loads(plain)
    return names


def _list_path(platform: Platform, name: RotationName) -> Path:
    organisation = safe_name(name.organisation_id, "organisation id")
    return platform.layout.home / "rotations" / f"{organisation}-v{name.version}.sealed"
