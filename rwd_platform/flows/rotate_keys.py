"""Rotation of a hospital's pseudonym key: new writes use the next version, and the lake is re-tokenised.

    1  whoever may be admitting waits; the old names and the new ones are found from the files as received
    2  the list of both is sealed and kept (only break-glass for a whole hospital would need it)
    3  every lake table of the hospital is rewritten, and links, vault and requests with them, all or nothing
    4  the files as received are kept under the new names; then the old names' keys and lake files go

A crash before the commit of step 3 leaves everything as it was, one after it leaves step 4 to do, and the
next `rwd keys rotate` does it. Locks and packages are never touched: they keep the version they were made
with. Quality has to look at the lake again, because it is another state of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlmodel import select

from rwd_platform.access.permissions import check_can
from rwd_platform.access.refusals import record_refusal
from rwd_platform.core.canonical import canonical_json, sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.key_versions import PSEUDONYM, RotationName, current_version
from rwd_platform.flows.old_and_new_names import new_names
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.rotated_rows import check_nobody_admits, drop_old_keys, old_keys, rename_rows
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import KeyVersion, Organisation, Upload
from rwd_platform.signing.suites import NONCE_BYTES
from rwd_platform.store.admission_guard import all_tables_or_none, one_admission, quiet_lake
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import durable_folder, open_part, safe_name, sync_folder
from rwd_platform.store.retokenise import TOKENS_LEFT, NewNames, count_tokens, rename_tokens
from rwd_platform.store.segment_names import rename_patients

_SCHEME = "p1"

MAP_LOST = Problem(
    code="keys.map_lost",
    zh="机构 {organisation} 上次轮换尚未完成，其新旧假名对照文件缺失或不能用当前根密钥打开。",
    en="The last rotation of {organisation} is not complete, and its list of old and new names is missing or "
    "cannot be opened with this root key.",
    next_zh="请从备份恢复数据目录中的 rotations 文件夹，并检查 RWD_ROOT_KEY_FILE，然后重新执行。",
    next_en="Restore the folder rotations in the home folder from a backup, check RWD_ROOT_KEY_FILE, and run it "
    "again.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class Rotation:
    """What was done, or with `dry_run` would be."""

    organisation_id: str
    suite: str
    old_version: int
    new_version: int
    names: int
    rows: dict[str, int]  # by table
    contents_kept: int
    files: int  # of the identified zone, kept under new names
    finished_earlier: bool  # what was left of the last rotation was done first
    dry_run: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rotate_hospital_key(
    platform: Platform, actor: Actor, organisation_id: str, *, dry_run: bool = False
) -> Rotation:
    """Raise the version of a hospital's pseudonym key and re-tokenise what the lake and the vault hold.

    Raises `keys.rotation_busy` while an upload of the hospital is being admitted, `keys.tokens_left` when a
    token would remain under the old version, and whatever a raw file that cannot be read raises.
    """
    _check(platform, actor, organisation_id)
    with _nobody_admits(platform, organisation_id):
        finished_earlier = not dry_run and _finish(platform, actor, organisation_id) is not None
        now = current_version(platform.records, PSEUDONYM, organisation_id)
        names = new_names(platform, organisation_id, now, now + 1)
        rows = _own_rows(platform, organisation_id)
        kept = files = 0
        if not dry_run:
            rows, kept = _rewrite(platform, actor, organisation_id, now, names)
            files = _finish(platform, actor, organisation_id) or 0
    return Rotation(
        organisation_id=organisation_id,
        suite=platform.keys.suite,
        old_version=now,
        new_version=now + 1,
        names=len(names.tokens),
        rows=rows,
        contents_kept=kept,
        files=files,
        finished_earlier=finished_earlier,
        dry_run=dry_run,
    )


def _check(platform: Platform, actor: Actor, organisation_id: str) -> None:
    try:
        check_can(actor, "key.rotate", organisation_id, kind="organisation", id=organisation_id)
        platform.records.get(Organisation, organisation_id)
    except PlatformError as error:
        record_refusal(platform.records, actor, "key.rotate", "organisation", organisation_id, error)
        raise


@contextmanager
def _nobody_admits(platform: Platform, organisation_id: str) -> Iterator[None]:
    """Hold every source system of the hospital. One that appears meanwhile is found before the commit."""
    uploads = platform.records.all(select(Upload).where(Upload.organisation_id == organisation_id))
    with platform.records.reading() as session:
        check_nobody_admits(session, organisation_id)
    with ExitStack() as guards:
        for source in sorted({upload.source_system for upload in uploads}):
            guards.enter_context(one_admission(platform.layout, organisation_id, source))
        yield


def _prefix(platform: Platform, version: int) -> str:
    return f"{_SCHEME}.{platform.keys.suite}.{version}."


def _own_rows(platform: Platform, organisation_id: str) -> dict[str, int]:
    lake = Lake(platform.layout)
    return {
        table: int((lake.read(table, ["organisation_id"])["organisation_id"] == organisation_id).sum())
        for table in lake.tables()
    }


# -- the lake and the records, all or nothing ------------------------------------------------------


def _rewrite(
    platform: Platform, actor: Actor, organisation_id: str, now: int, names: NewNames
) -> tuple[dict[str, int], int]:
    """Rows by table, and how many content hashes could not be made anew."""
    name = RotationName(organisation_id, now + 1)
    sealed_sha256 = _keep_list(platform, name, names)
    with all_tables_or_none(platform.layout, str(name), lambda id: is_admitted(platform, id)):
        lake, prefix = Lake(platform.layout), _prefix(platform, now)
        done = {
            table: rename_tokens(lake, table, organisation_id, prefix, names, str(name))
            for table in lake.tables()
        }
        for table in done:
            left = count_tokens(lake, table, organisation_id, prefix)
            if left:
                raise TOKENS_LEFT.error(table=table, column="*", count=left)
        rows = {table: one.rows for table, one in done.items()}
        act = Act(
            actor,
            "key.rotated",
            Object("key", f"{PSEUDONYM}/{organisation_id}", str(now + 1)),
            decision={"names": len(names.tokens), "rows": rows, "list_sha256": sealed_sha256},
        )
        with platform.records.transaction(audit=act) as session:
            check_nobody_admits(session, organisation_id)
            rename_rows(platform, session, organisation_id, names.tokens)
            session.merge(
                KeyVersion(
                    purpose=PSEUDONYM,
                    scope=organisation_id,
                    version=now + 1,
                    suite=platform.keys.suite,
                    changed_at=as_text(platform.clock()),
                )
            )
    return rows, sum(one.contents_kept for one in done.values())


# -- the list of old and new names -----------------------------------------------------------------


def _list_path(platform: Platform, name: RotationName) -> Path:
    organisation = safe_name(name.organisation_id, "organisation id")
    return platform.layout.home / "rotations" / f"{organisation}-v{name.version}.sealed"


def _keep_list(platform: Platform, name: RotationName, names: NewNames) -> str:
    """Seal the list under a key of its own and make it durable; the log's entry names its hash."""
    key = platform.keys.derive("retokenise", name.organisation_id)
    nonce = os.urandom(NONCE_BYTES)
    bound = str(name).encode()
    sealed = nonce + platform.keys.ciphers.seal(key, nonce, canonical_json(dict(names.tokens)), bound)
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


# -- what follows the commit -----------------------------------------------------------------------


def _finish(platform: Platform, actor: Actor, organisation_id: str) -> int | None:
    """The files as received under their new names, then the old names' keys and the lake's old files go.

    Returns how many files of the identified zone were changed; None where no step was left. Safe to do again.
    """
    version = current_version(platform.records, PSEUDONYM, organisation_id)
    left = old_keys(platform, organisation_id, version)
    if not left:
        return None
    names = read_list(platform, RotationName(organisation_id, version))
    folder = platform.layout.landing / safe_name(organisation_id, "organisation id")
    changed = sum(
        rename_patients(path, platform.keys, organisation_id, names, platform.patient_keys.find)
        for path in sorted(folder.glob("*/*.seg"))
    )
    with quiet_lake(platform.layout, lambda id: is_admitted(platform, id)) as lake:
        for table in lake.tables():
            lake.forget_history(table)
    act = Act(
        actor,
        "key.rotation_finished",
        Object("key", f"{PSEUDONYM}/{organisation_id}", str(version)),
        decision={"files": changed, "keys": len(left)},
    )
    with platform.records.transaction(audit=act) as session:
        drop_old_keys(session, organisation_id, left)
    return changed
