"""Rotation of a hospital's pseudonym key: new writes use the next version, and the lake is re-tokenised.

    1  whoever may be admitting waits; the old names and the new ones are found from the files as received
    2  the list of both is sealed and kept: locks of before name their patients by the old names (first_names)
    3  every lake table of the hospital is rewritten, and links, vault and requests with them, all or nothing
    4  the files as received are kept under the new names; then the old names' keys and lake files go

A crash before the commit of step 3 leaves everything as it was, one after it leaves step 4 to do, and the
next `rwd keys rotate` does it. Locks and packages are never touched: they keep the version they were made
with. Quality has to look at the lake again, because it is another state of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import select

from rwd_platform.access.permissions import check_can
from rwd_platform.access.refusals import record_refusal
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.first_names import keep_list, read_list
from rwd_platform.flows.key_versions import PSEUDONYM, RotationName, current_version
from rwd_platform.flows.old_and_new_names import new_names
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.rotated_rows import check_nobody_admits, drop_old_keys, old_keys, rename_rows
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import KeyVersion, Organisation, Upload
from rwd_platform.store.admission_guard import all_tables_or_none, one_admission, quiet_lake
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import safe_name
from rwd_platform.store.retokenise import TOKENS_LEFT, NewNames, count_tokens, rename_tokens
from rwd_platform.store.segment_names import rename_patients

_SCHEME = "p1"


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
            files = _finish(platform, actor, organisation_id, just_rotated=True) or 0
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
    sealed_sha256 = keep_list(platform, name, names.tokens)
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


# -- what follows the commit -----------------------------------------------------------------------


def _finish(
    platform: Platform, actor: Actor, organisation_id: str, *, just_rotated: bool = False
) -> int | None:
    """The files as received under their new names, then the old names' keys and the lake's old files go.

    Returns how many files of the identified zone were changed; None where no step was left. Safe to do again.
    """
    version = current_version(platform.records, PSEUDONYM, organisation_id)
    left = old_keys(platform, organisation_id, version)
    if not left and not just_rotated:
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
