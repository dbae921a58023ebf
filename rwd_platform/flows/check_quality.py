"""Quality: every suite over the lake as it is now, the gate's verdict, and a scorecard per hospital."""

from __future__ import annotations

from rwd_platform.access.permissions import check_can
from rwd_platform.core.clock import as_text
from rwd_platform.core.ids import new_id
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import QualityRun


def check_quality(platform: Platform, actor: Actor) -> QualityRun:
    """Check the whole lake. The report names the lake's versions, so that a lock can tell if it is stale.

    Quality sees outcome tables too, but only as counts of rows that keep or break a rule; no value of
    an outcome leaves this flow.
    """
    from quality.engine import check_tables
    from quality.gate import decide, quarantined_rows
    from quality.scorecard import score
    from quality.suite import load_suites
    from rwd_platform.store.admission_guard import steady_lake

    check_can(actor, "quality.read", actor.organisation)
    suites = load_suites()
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        versions = lake.versions()
        tables = {name: lake.read(name) for name in lake.tables() if name in suites}
    report = check_tables(tables, suites)
    gate = decide(report)
    held = quarantined_rows(tables, suites)
    now = platform.clock()
    run = QualityRun(
        id=new_id("quality", now),
        organisation_id=platform.settings.operator,
        made_at=as_text(now),
        verdict=gate.verdict,
        report={
            "lake_versions": versions,
            "gate": gate.as_dict(),
            "scorecard": score(report).as_dict(),
            "checks": report.as_dict(),
            "held_back": {
                name: {
                    "rows": len(rows.drop(columns="rule").drop_duplicates()),
                    "by_rule": _by_rule(list(rows["rule"])),
                }
                for name, rows in sorted(held.items())
                if len(rows)
            },
        },
    )
    act = Act(actor, "quality.checked", Object("quality", run.id), decision={"verdict": gate.verdict})
    platform.records.write(run, audit=act)
    return run


def _by_rule(rules: list[str]) -> dict[str, int]:
    return {rule: rules.count(rule) for rule in sorted(set(rules))}
