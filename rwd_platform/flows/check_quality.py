"""Quality: every suite over the lake as it is now, the gate's verdict, and a scorecard per hospital."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.access.permissions import check_can
from rwd_platform.core.clock import SHANGHAI, as_text
from rwd_platform.core.ids import new_id
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import PersonLink, QualityRun, Upload

if TYPE_CHECKING:
    from quality.lookups import Surroundings
    from quality.report import QualityReport
    from quality.thresholds import Thresholds

_PERIODS = "observation_period"  # computed from the lake's tables, not stored in it


def check_quality(
    platform: Platform, actor: Actor, begins: Callable[[str], None] = lambda table: None
) -> QualityRun:
    """Check the whole lake. The report names the lake's versions, so that a lock can tell if it is stale.

    Quality sees outcome tables too, but only as counts of rows that keep or break a rule; no value of
    an outcome leaves this flow. Thresholds that were adopted stay in force.

    begins -- told the name of each table before its rows are counted
    """
    from dataclasses import replace

    from ingestion.derived import derive
    from quality.engine import check_tables
    from quality.gate import quarantined_rows
    from quality.suite import load_suites
    from quality.thresholds import adjusted
    from rwd_platform.store.admission_guard import steady_lake

    check_can(actor, "quality.read", actor.organisation)
    thresholds = thresholds_in_force(platform)
    suites = adjusted(load_suites(), thresholds)
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        versions = lake.versions()
        tables = {name: lake.read(name) for name in lake.tables() if name in suites}
    tables[_PERIODS] = derive(_PERIODS, tables)
    report = check_tables(tables, suites, surroundings(platform), begins)
    if thresholds is not None:
        report = replace(report, thresholds=thresholds.as_dict())
    held = quarantined_rows(tables, suites)
    content = {
        "lake_versions": versions,
        **run_content(report),
        "held_back": {
            name: {
                "rows": len(rows.drop(columns="rule").drop_duplicates()),
                "by_rule": _by_rule(list(rows["rule"])),
            }
            for name, rows in sorted(held.items())
            if len(rows)
        },
    }
    return save_run(platform, actor, content, "quality.checked")


def run_content(report: QualityReport) -> dict[str, Any]:
    """What a run's record keeps of a report: verdicts, scores, checks, and the counts by upload."""
    from quality.gate import decide, decide_for_upload
    from quality.scorecard import score

    uploads = sorted({count.upload_id for count in report.uploads if count.upload_id})
    verdicts = [verdict.as_dict() for upload in uploads for verdict in decide_for_upload(report, upload)]
    return {
        "gate": decide(report).as_dict(),
        "scorecard": score(report).as_dict(),
        "checks": report.as_dict(),
        "uploads": {**report.uploads_as_dict(), "gate": verdicts},
    }


def save_run(platform: Platform, actor: Actor, content: Mapping[str, Any], tag: str) -> QualityRun:
    now = platform.clock()
    verdict = content["gate"]["verdict"]
    run = QualityRun(
        id=new_id("quality", now),
        organisation_id=platform.settings.operator,
        made_at=as_text(now),
        verdict=verdict,
        report=dict(content),
    )
    facts = {"verdict": verdict}
    if thresholds := content["checks"]["thresholds"]:
        facts["thresholds_sha256"] = thresholds["sha256"]
    platform.records.write(run, audit=Act(actor, tag, Object("quality", run.id), decision=facts))
    return run


def newest_run(platform: Platform) -> QualityRun | None:
    newest = select(QualityRun).order_by(col(QualityRun.made_at).desc(), col(QualityRun.id).desc()).limit(1)
    runs = platform.records.all(newest)
    return runs[0] if runs else None


def thresholds_in_force(platform: Platform) -> Thresholds | None:
    """Those that the newest run was judged with; None for the suites' own."""
    from quality.thresholds import read_thresholds

    run = newest_run(platform)
    return read_thresholds(run.report.get("checks", {}).get("thresholds")) if run else None


def surroundings(platform: Platform) -> Surroundings:
    """When each upload came, and which patients are one person by their linkage tokens."""
    import pandas as pd

    from quality.lookups import LINK_TOKEN, Surroundings
    from rwd_platform.core import columns as core

    uploads = [
        (upload.organisation_id, upload.id, _day(upload.received_at))
        for upload in platform.records.all(select(Upload))
    ]
    links = [
        (link.organisation_id, link.patient_id, link.link_token)
        for link in platform.records.all(select(PersonLink))
    ]
    return Surroundings(
        uploads=pd.DataFrame(uploads, columns=[core.ORGANISATION_ID, "upload_id", "received_date"]),
        links=pd.DataFrame(links, columns=[core.ORGANISATION_ID, core.PATIENT_ID, LINK_TOKEN]),
    )


def _day(instant: str) -> str:
    """The day in Lecheng: events carry the dates of the ward."""
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).date().isoformat()


def _by_rule(rules: list[str]) -> dict[str, int]:
    return {rule: rules.count(rule) for rule in sorted(set(rules))}
