"""Linkage runs: the lake as it is, by the rules of a lock; on record, in the log, shown without small counts."""

from __future__ import annotations

import json

import pytest
from sqlmodel import select

from deidentify.account import DropCounter
from deidentify.linkage import DISAGREE, LINKED, link_persons
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.linkage import linkage_run, linkage_runs, run_linkage
from rwd_platform.flows.linkage_facts import linkage_facts
from rwd_platform.flows.lock_rows import link_tokens
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry, LinkageRun
from rwd_platform.store.lake import Lake
from tests.flows.linking import PAYER, PEOPLE, PRIVACY, person, three_sources
from tests.flows.sending import CLERK, REGULATOR, RESEARCHER, actions, ndjson, sent


def test_care_and_payment_are_brought_together_and_every_chart_is_accounted_for(platform: Platform) -> None:
    """60 people at hospital A, 12 of them without a number; 10 of the same at B; 40 at the fund, of whom No. 7 is there
    under the number of No. 58, whose birth date is another: set apart, and 7 at A is linked with B alone.
    """
    three_sources(platform)
    run = run_linkage(platform, PRIVACY)
    report = run.report
    assert report["roles"] == {"org-hospital-a": "care", "org-hospital-b": "care", PAYER: "payment"}
    states = {
        one["organisation_id"]: {state: n for state, n in one["states"].items() if n}
        for one in report["account"]["sources"]
    }
    # Of A's 48 numbers the fund has those of 0 to 39 but for every fifth and 7: 31, and 7 is known to B.
    assert states["org-hospital-a"] == {"no_number": 12, "linked": 32, "disagree": 1, "alone": 15}
    # 0 and 5 have no number at A; B and the fund know them both.
    assert states["org-hospital-b"] == {"linked": 10}
    assert states[PAYER] == {"linked": 39 - 6, "alone": 6, "disagree": 1}
    assert report["account"]["conflicts"]["both"] + report["account"]["conflicts"]["birth_date"] == 1
    by_roles = report["account"]["persons_by_roles"]
    assert by_roles["care+payment"] == 33 and by_roles["payment"] == 7
    assert sum(by_roles.values()) == report["account"]["persons"]
    care = report["comparisons"][0]
    assert (care["base"], care["to"], care["linked"]) == ("care", ["payment"], 33)
    assert care["linked"] + care["unlinked"] == by_roles["care"] + by_roles["care+payment"]
    years = {one["value"] for one in care["levels"] if one["characteristic"] == "year"}
    assert years == {"2024"}
    # What the rules themselves count when a lock is made.
    counted = DropCounter()
    link_persons({"patient": Lake(platform.layout).read("patient")}, link_tokens(platform), counted)
    told = counted.as_dict()
    assert told[DISAGREE] == 1 and told[LINKED] == 34
    assert report["account"]["charts"] - report["account"]["persons"] == 75 - 34
    assert json.loads(json.dumps(report)) == report

    assert run_linkage(platform, PRIVACY).id == run.id, "the same state is the same run"
    assert len(platform.records.all(select(LinkageRun))) == 1
    assert [one for one in actions(platform) if one.startswith("linkage.")] == [
        "linkage.ran",
        "linkage.repeated",
    ]
    other = run_linkage(platform, PRIVACY, {"org-hospital-b": "product"})
    assert other.id != run.id and other.report["roles"]["org-hospital-b"] == "product"
    assert other.report["account"]["persons_by_roles"]["care+payment+product"] == 7

    seen = linkage_run(platform, RESEARCHER, run.id)
    sources = {one["organisation_id"]: one for one in seen.report["account"]["sources"]}
    assert sources["org-hospital-a"]["charts"] == PEOPLE
    assert sources["org-hospital-b"]["charts"] is None and sources[PAYER]["states"]["alone"] is None
    assert seen.report["withdrawn"] == 0 and not seen.stale

    versions, links = Lake(platform.layout).versions(), link_tokens(platform)
    facts = linkage_facts(platform, versions, links, frozenset())
    assert set(facts["run"]) >= {"account", "comparisons", "errors", "roles", "minimum"}
    assert "lake_versions" not in facts["run"], "a lock of the same content is the same lock anywhere"
    sent(platform, {"more.ndjson": ndjson(person(99))}, CLERK)
    assert linkage_run(platform, RESEARCHER, run.id).stale
    later = Lake(platform.layout).versions()
    assert linkage_facts(platform, later, link_tokens(platform), frozenset()) == {}, "of another state"


def test_an_empty_store_and_a_single_source_have_runs_too(platform: Platform) -> None:
    nothing = run_linkage(platform, PRIVACY).report
    assert nothing["account"]["charts"] == 0 and nothing["comparisons"] == [] and nothing["errors"] == []
    sent(platform, {"a.ndjson": ndjson(person(1), person(2, with_id=False))}, CLERK)
    alone = run_linkage(platform, PRIVACY).report
    (source,) = alone["account"]["sources"]
    assert (source["states"]["alone"], source["states"]["no_number"]) == (1, 1)
    assert alone["comparisons"] == [] and len(linkage_runs(platform, REGULATOR)) == 2


def test_a_linkage_is_run_by_officers_and_read_without_small_counts_by_others(platform: Platform) -> None:
    """A refusal is in the log; so is a role or an organisation that does not exist refused."""
    with pytest.raises(PlatformError, match=r"access\.not_allowed"):
        run_linkage(platform, RESEARCHER)
    with pytest.raises(PlatformError, match=r"access\.not_allowed"):
        linkage_runs(platform, CLERK)
    for roles in ({"org-hospital-a": "insurer"}, {"nobody\n": "care"}):
        with pytest.raises(PlatformError, match=r"linkage\.role_unfit") as caught:
            run_linkage(platform, PRIVACY, roles)
        assert "\n" not in caught.value.en
    with pytest.raises(PlatformError, match=r"records\.not_found"):
        linkage_run(platform, RESEARCHER, "linkage-" + "x" * 200)
    refused = platform.records.all(select(AuditEntry).where(AuditEntry.action == "access.refused"))
    assert len(refused) == 5 and not platform.records.all(select(LinkageRun))
