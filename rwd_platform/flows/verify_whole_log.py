"""The whole log is verified from the pages, as a job, and what was found is an entry of the log itself.

So who looked, when, and what they saw is kept, and a later verification covers the earlier one. It trusts what this
machine holds: the key, the registered witnesses, the program. Whoever holds the machine holds those too, which is why
the page says how to verify elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, func, select

from rwd_platform.access.permissions import Action, visible_organisation
from rwd_platform.audit.against_records import verify_deployment
from rwd_platform.audit.findings import Finding
from rwd_platform.audit.query import LogFilter, LogLine, read_log
from rwd_platform.audit.verify import LogVerification
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import JobState
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import AuditEntry, AuditWitness, Job

JOB = "verify_log"
VERIFIED = "log.verified"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Verified:
    """What a verification from the pages found, as its entry says. Sizes are in entries.

    seconds   -- how long it took
    findings  -- at most audit.findings.MOST
    """

    sequence: int
    at: str
    by: str
    ok: bool
    size: int
    signed_size: int
    witnessed_size: int
    seconds: float
    findings: tuple[Finding, ...]


def may_verify(actor: Actor) -> bool:
    """Findings name things of every organisation: whoever reads the whole log may ask for them, and nobody else."""
    return visible_organisation(actor, Action.LOG_READ) is None


def start_verification(platform: Platform, actor: Actor) -> Job:
    """Queue it; asked twice before it is done, it is the same job.

    Raises `records.not_found` for whoever may not read the whole log, `audit.cannot_append` for a log that takes no
    further entry.
    """
    from rwd_platform.flows.jobs import enqueue

    _check_may(platform, actor)
    with platform.records.reading() as session:
        done = session.exec(
            select(func.count()).select_from(Job).where(Job.kind == JOB, Job.state == JobState.DONE)
        ).one()
    return enqueue(platform, actor, JOB, {}, f"{JOB}/{done}")


def verification_job(platform: Platform) -> Job | None:
    """The newest, whoever asked for it."""
    query = select(Job).where(Job.kind == JOB).order_by(col(Job.queued_at).desc(), col(Job.id).desc())
    return next(iter(platform.records.all(query.limit(1))), None)


def verify_as_job(platform: Platform, actor: Actor, progress: Progress) -> None:
    """Everything that can be verified here: the entries, the trees, the heads, the witnesses' lines, the records."""
    _check_may(platform, actor)
    with platform.records.reading() as session:
        total = session.exec(select(func.count()).select_from(AuditEntry)).one()
    began = platform.clock()
    progress("entries", 0, total)

    def told(done: int) -> None:
        progress("entries", done, total)
        if done >= total:
            progress("against", 0, 0)

    found = verify_deployment(
        platform.records,
        public_key=platform.log_signer.public_key,
        witnesses=[bytes.fromhex(one.public_key) for one in platform.records.all(select(AuditWitness))],
        told=told,
    )
    act = Act(
        actor,
        VERIFIED,
        Object("log", platform.records.log, found.root.hex()),
        outcome="done" if found.ok else "failed",
        decision={"began": as_text(began), **_as_decision(found)},
    )
    platform.records.record(act)


def last_verification(platform: Platform) -> Verified | None:
    """The newest that the log knows of; None where there is none, or its entry is none any more."""
    lines = read_log(platform.records, LogFilter(action=VERIFIED, page_size=1)).lines
    try:
        return _verified(lines[0]) if lines else None
    except (KeyError, TypeError, ValueError):
        return None


def _check_may(platform: Platform, actor: Actor) -> None:
    if not may_verify(actor):
        raise NOT_FOUND.error(kind="log", id=platform.records.log)


def _as_decision(found: LogVerification) -> dict[str, Any]:
    """As it stands in the log: what was found, and no value of a record."""
    findings = [
        {"rule": one.rule, "zh": one.zh, "en": one.en}
        | ({} if one.sequence is None else {"sequence": one.sequence})
        for one in found.findings
    ]
    return {
        "ok": found.ok,
        "size": found.size,
        "signed_size": found.signed_size,
        "witnessed_size": found.witnessed_size,
        "findings": findings,
    }


def _verified(line: LogLine) -> Verified | None:
    said = line.decision
    if said is None:
        return None
    return Verified(
        sequence=line.sequence,
        at=line.at,
        by=line.actor_id,
        ok=bool(said["ok"]),
        size=int(said["size"]),
        signed_size=int(said["signed_size"]),
        witnessed_size=int(said["witnessed_size"]),
        seconds=(datetime.fromisoformat(line.at) - datetime.fromisoformat(said["began"])).total_seconds(),
        findings=tuple(
            Finding(str(one["rule"]), str(one["zh"]), str(one["en"]), one.get("sequence"))
            for one in said["findings"]
        ),
    )
