"""Two people unseal a run: what has to be there before one may ask, and who may agree."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.evidence_inputs import _unsealing
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import newest_run, results_of, run_study
from rwd_platform.flows.unseal_results import Knowledge, decide_unsealing, request_unsealing, votes_of
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import (
    AuditCheckpoint,
    AuditEntry,
    Study,
    UnsealingRequest,
    User,
)
from studies.sealing import load_policy
from tests.conftest import StandingClock
from tests.flows import erasing
from tests.flows.sending import CLERK, REGULATOR, RESEARCHER
from tests.flows.unsealing import FIRST, REASON, SECOND, settle, unseal

OFFICER = Actor("officer-ye", "privacy", "org-operator")
STRANGER = Actor("elsewhere", "researcher", "org-hospital-a")
NAMESAKE = Actor("unsealer-han-2", "researcher", "org-operator")
AGREED = "诊断逐项看过，没有发现不能比较的理由"
REGISTERED = Knowledge("registered")


@pytest.fixture
def platform(analysed: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    home = tmp_path / "home"
    shutil.copytree(analysed, home, symlinks=True)
    clock.advance(hours=1)
    opened = erasing.opened(home, clock)
    settle(opened, FIRST, SECOND, OFFICER, STRANGER)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def study(platform: Platform) -> Study:
    (found,) = platform.records.all(select(Study))
    return found


def ask(
    platform: Platform, study: Study, actor: Actor = FIRST, knowledge: Knowledge = REGISTERED
) -> UnsealingRequest:
    return request_unsealing(platform, actor, study.id, REASON, knowledge)


def refusal(act: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as raised:
        act()
    return raised.value


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    rows = platform.records.all(
        select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.sequence)  # type: ignore[arg-type]  # SQLModel types columns as values
    )
    return [json.loads(row.body) for row in rows]


def refused_for(platform: Platform) -> str:
    return str(entries(platform, "access.refused")[-1]["reason"])


# -- a sealed run ----------------------------------------------------------------------------------------------------


def test_a_run_is_sealed_and_says_what_waits(platform: Platform, study: Study) -> None:
    """The hash is of the whole from the start, and in the log; what stands in clear is the open part."""
    run = newest_run(platform, study)
    assert run.sealed_part and not run.unsealed_at
    assert "restricted.crude" in run.sealed_analyses and "all.balance" not in run.sealed_analyses
    statistics = {row["statistic"] for row in run.results["rows"] if not row["id"].startswith("overseas.")}
    assert {"smd_unweighted", "remaining", "subjects"} <= statistics
    assert not statistics & {"hazard_ratio", "p_value", "events", "survival", "at_risk"}
    assert sha256_of(run.results) != run.results_sha256
    (said,) = entries(platform, "study.analysed")
    assert said["object"]["version"] == run.results_sha256
    assert said["decision"]["open_sha256"] == sha256_of(run.results)


def test_nothing_goes_on_from_a_sealed_run(platform: Platform, study: Study) -> None:
    """No package, and nobody who needs results as a whole gets them; the refusal names the next step."""
    run = newest_run(platform, study)
    error = refusal(lambda: assemble_evidence(platform, RESEARCHER, study.id, "registration", "authority"))
    assert (error.code, error.exit) == ("study.results_sealed", 3)
    assert f"rwd study unseal {study.id}" in error.next_en and f"rwd study unseal {study.id}" in error.next_zh
    assert refused_for(platform) == "study.results_sealed"
    assert refusal(lambda: results_of(platform, run)).code == "study.results_sealed"


def test_the_sealed_run_verifies_against_the_log(platform: Platform, study: Study) -> None:
    assert verify_records(platform.records, platform.log_signer.public_key).ok
    unseal(platform, study.id)
    assert verify_records(platform.records, platform.log_signer.public_key).ok


# -- asking and agreeing ---------------------------------------------------------------------------------------------


def test_two_people_unseal_what_was_computed(platform: Platform, study: Study) -> None:
    sealed = newest_run(platform, study)
    asked = ask(platform, study)
    assert (asked.state, asked.run_id, asked.seen_before) == ("requested", sealed.id, "")
    assert newest_run(platform, study).sealed_part, "asking opens nothing"
    decided = decide_unsealing(platform, SECOND, asked.id, True, AGREED)
    run = newest_run(platform, study)
    assert decided.state == "unsealed" and decided.decided_at == run.unsealed_at
    assert run.sealed_part is None and sha256_of(run.results) == run.results_sha256 == sealed.results_sha256
    assert {row["id"] for row in sealed.results["rows"]} < {row["id"] for row in run.results["rows"]}
    assert run.sealed_analyses == sealed.sealed_analyses
    (vote,) = votes_of(platform, asked.id)
    assert (vote.voter_id, vote.agreed, vote.reason) == (SECOND.id, True, AGREED)
    assert len(results_of(platform, run).rows) == len(run.results["rows"])


def test_both_acts_are_in_the_log_with_what_was_declared_and_a_signed_head(
    platform: Platform, study: Study
) -> None:
    asked = ask(platform, study, knowledge=Knowledge("seen", "去年学术会议的摘要中看到过部分结局"))
    decide_unsealing(platform, OFFICER, asked.id, True, AGREED)
    (request,), (agreed,) = (
        entries(platform, "results.unsealing_requested"),
        entries(platform, "results.unsealed"),
    )
    assert (request["actor"]["id"], agreed["actor"]["id"]) == (FIRST.id, OFFICER.id)
    assert (request["reason"], agreed["reason"]) == (REASON, AGREED)
    for said in (request, agreed):
        assert said["object"] == {
            "type": "run",
            "id": asked.run_id,
            "version": newest_run(platform, study).results_sha256,
        }
        assert said["decision"]["knowledge"] == "seen" and "学术会议" in said["decision"]["seen"]
        assert {"all.balance"} <= set(said["decision"]["diagnostics"])
    last = platform.records.log_entries(first=agreed["seq"], limit=10)
    assert [one.action for one in last] == ["results.unsealed"]
    heads = platform.records.all(select(AuditCheckpoint))
    assert max(one.size for one in heads) > agreed["seq"]


def test_the_request_shows_the_diagnostics_of_this_very_run(platform: Platform, study: Study) -> None:
    """Largest differences, effective sizes and warnings as they stood: this is what the second person signs for."""
    asked = ask(platform, study)
    by_id = {one["analysis"]: one for one in asked.diagnostics}
    run = newest_run(platform, study)
    differences = [
        abs(row["value"])
        for row in run.results["rows"]
        if row["analysis"] == "all.balance"
        and row["statistic"] == "smd_unweighted"
        and row["value"] is not None
    ]
    assert by_id["all.balance"]["largest_before"] == max(differences)
    assert all(one["rows"] or one["reason"] for one in asked.diagnostics)


def test_refused_it_stays_sealed_and_may_be_asked_for_again(platform: Platform, study: Study) -> None:
    asked = ask(platform, study)
    assert decide_unsealing(platform, OFFICER, asked.id, False, AGREED).state == "refused"
    assert newest_run(platform, study).sealed_part
    assert entries(platform, "results.unsealing_refused")[-1]["reason"] == AGREED
    again = ask(platform, study)
    assert again.id != asked.id and again.state == "requested"


@pytest.mark.parametrize("actor", [SECOND, OFFICER], ids=lambda one: one.role)
def test_a_request_is_decided_once(platform: Platform, study: Study, actor: Actor) -> None:
    asked = ask(platform, study)
    decide_unsealing(platform, actor, asked.id, True, AGREED)
    error = refusal(lambda: decide_unsealing(platform, actor, asked.id, False, AGREED))
    assert error.code == "lifecycle.not_allowed" and refused_for(platform) == "lifecycle.not_allowed"
    assert refusal(lambda: ask(platform, study)).code == "unsealing.nothing_sealed"


def test_a_package_is_told_who_unsealed_when_and_what_they_knew(platform: Platform, study: Study) -> None:
    """From the log's own entries of the request that was agreed to; a request that was refused is not it."""
    refused = ask(platform, study, SECOND, Knowledge("seen", "去年学术会议的摘要中看到过部分结局"))
    decide_unsealing(platform, FIRST, refused.id, False, AGREED)
    asked = ask(platform, study)
    decide_unsealing(platform, OFFICER, asked.id, True, AGREED)
    told = _unsealing(platform, newest_run(platform, study))
    assert told is not None and (told.knowledge, told.seen, told.outcomes_seen) == ("registered", "", False)
    assert (told.asked.role, told.asked.account) == ("researcher", FIRST.id)
    assert (told.agreed.role, told.agreed.account) == ("privacy", OFFICER.id)
    decided = platform.records.get(UnsealingRequest, asked.id).decided_at
    assert (
        told.agreed.at == entries(platform, "results.unsealed")[-1]["ts"]
        and told.agreed.at[:16] == decided[:16]
    )


def test_of_a_run_that_was_never_sealed_nobody_is_told(platform: Platform, study: Study) -> None:
    assert _unsealing(platform, newest_run(platform, study)) is None


# -- who may not -----------------------------------------------------------------------------------------------------


def test_whoever_asked_does_not_agree(platform: Platform, study: Study) -> None:
    asked = ask(platform, study)
    error = refusal(lambda: decide_unsealing(platform, FIRST, asked.id, True, AGREED))
    assert (error.code, error.exit) == ("unsealing.not_a_voter", 3)
    assert refused_for(platform) == "unsealing.not_a_voter" and newest_run(platform, study).sealed_part


def test_two_accounts_of_one_person_are_one(platform: Platform, study: Study) -> None:
    row = User(
        id=NAMESAKE.id, organisation_id=NAMESAKE.organisation, login=NAMESAKE.id, role=NAMESAKE.role, name=FIRST.id,
        password_hash="", created_at="",
    )  # fmt: skip
    platform.records.write(row, audit=Act(FIRST, "user.registered", Object("user", row.id)))
    asked = ask(platform, study)
    assert (
        refusal(lambda: decide_unsealing(platform, NAMESAKE, asked.id, True, AGREED)).code
        == "unsealing.same_person"
    )
    assert newest_run(platform, study).sealed_part


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (STRANGER, "records.not_found"),
        (REGULATOR, "access.not_allowed"),
        (OFFICER, "access.not_allowed"),
        (Actor("nobody", "researcher", "org-operator"), "access.no_account"),
    ],
    ids=lambda one: getattr(one, "id", one),
)
def test_only_the_studys_own_researchers_ask(
    platform: Platform, study: Study, actor: Actor, code: str
) -> None:
    assert refusal(lambda: ask(platform, study, actor)).code == code
    assert refused_for(platform) == code and not platform.records.all(select(UnsealingRequest))


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (STRANGER, "records.not_found"),
        (REGULATOR, "access.not_allowed"),
        (Actor("nobody", "privacy", "org-operator"), "access.no_account"),
    ],
    ids=lambda one: getattr(one, "id", one),
)
def test_only_another_researcher_or_a_privacy_officer_agrees(
    platform: Platform, study: Study, actor: Actor, code: str
) -> None:
    asked = ask(platform, study)
    assert refusal(lambda: decide_unsealing(platform, actor, asked.id, True, AGREED)).code == code
    assert newest_run(platform, study).sealed_part


# -- what has to be there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "knowledge",
    [
        Knowledge("a little"),
        Knowledge(""),
        Knowledge("seen"),
        Knowledge("seen", "  "),
        Knowledge("none", "中位生存期约四年"),
    ],
    ids=lambda one: f"{one.kind}-{one.seen}",
)
def test_what_is_known_of_outcomes_is_declared_clearly(
    platform: Platform, study: Study, knowledge: Knowledge
) -> None:
    assert refusal(lambda: ask(platform, study, knowledge=knowledge)).code == "unsealing.knowledge_unclear"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("", "unsealing.reason_missing"),
        ("ok", "unsealing.reason_missing"),
        ("理" * 3000, "unsealing.reason_missing"),
        ("已核对诊断，联系人手机号 13987650123", "unsealing.reason_identifies"),
    ],
)
def test_a_reason_is_a_sentence_without_a_persons_number(
    platform: Platform, study: Study, reason: str, code: str
) -> None:
    assert refusal(lambda: request_unsealing(platform, FIRST, study.id, reason, REGISTERED)).code == code
    asked = ask(platform, study)
    assert refusal(lambda: decide_unsealing(platform, SECOND, asked.id, True, reason)).code == code


def test_a_second_request_waits_for_the_first(platform: Platform, study: Study) -> None:
    asked = ask(platform, study)
    error = refusal(lambda: ask(platform, study, SECOND))
    assert error.code == "unsealing.waiting" and asked.id in error.en


def changed(platform: Platform, statement: str, *values: object) -> None:
    """As somebody with the database's file does it."""
    with closing(sqlite3.connect(str(platform.records.engine.url.database))) as beside, beside:
        beside.execute(statement, values)


def test_without_the_planned_diagnostics_nobody_asks(platform: Platform, study: Study) -> None:
    run = newest_run(platform, study)
    rows = [row for row in run.results["rows"] if row["analysis"] != "all.balance"]
    changed(platform, "UPDATE analysis_run SET results = ?", json.dumps({**run.results, "rows": rows}))
    error = refusal(lambda: ask(platform, study))
    assert error.code == "unsealing.diagnostics_missing" and "all.balance" in error.en


def test_a_population_whose_estimates_lack_a_diagnostic_in_the_plan_is_not_unsealed(
    platform: Platform, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were every crude model to need a restricted mean beside it, this protocol would lack one for each population."""
    policy = load_policy()
    methods = {**policy.methods, "log_rank": replace(policy.methods["log_rank"], needs=("rmst",))}
    monkeypatch.setattr("studies.before_unsealing.load_policy", lambda: replace(policy, methods=methods))
    error = refusal(lambda: ask(platform, study))
    assert (error.code, error.exit) == ("unsealing.diagnostics_missing", 3)
    assert "restricted: rmst (restricted.log_rank; not planned for it)" in error.en
    assert "restricted：rmst（restricted.log_rank；方案没有为其计划）" in error.zh
    assert "register a new protocol" in error.next_en and refused_for(platform) == error.code
    assert not platform.records.all(select(UnsealingRequest))


def test_a_protocol_that_was_changed_unseals_nothing(platform: Platform, study: Study) -> None:
    asked = ask(platform, study)
    changed(platform, "UPDATE study SET protocol = protocol || '\n# one word more'")
    assert (
        refusal(lambda: decide_unsealing(platform, SECOND, asked.id, True, AGREED)).code
        == "study.protocol_changed"
    )
    assert newest_run(platform, study).sealed_part


def test_results_that_were_changed_are_not_unsealed(platform: Platform, study: Study) -> None:
    """The sealed bytes, the hash of the whole, the open part that the second person looked at: none may differ."""
    asked, run = ask(platform, study), newest_run(platform, study)
    for column, value in (
        ("sealed_part", (run.sealed_part or b"")[:-1] + b"\0"),
        ("results_sha256", "0" * 64),
        ("results", json.dumps({**run.results, "not_done": {"all.crude": "x"}})),
    ):
        before = getattr(run, column)
        changed(platform, f"UPDATE analysis_run SET {column} = ?", value)
        error = refusal(lambda: decide_unsealing(platform, SECOND, asked.id, True, AGREED))
        assert error.code == "study.results_changed", column
        changed(
            platform,
            f"UPDATE analysis_run SET {column} = ?",
            json.dumps(before) if isinstance(before, dict) else before,
        )
    assert decide_unsealing(platform, SECOND, asked.id, True, AGREED).state == "unsealed"


def test_one_runs_seal_opens_no_other_run(platform: Platform, study: Study) -> None:
    """The key is the run's own: sealed bytes put into another row stay closed."""
    asked = ask(platform, study)
    changed(platform, "PRAGMA foreign_keys = OFF")
    changed(platform, "UPDATE analysis_run SET id = 'run-other'")
    changed(platform, "UPDATE unsealing_request SET run_id = 'run-other'")
    assert (
        refusal(lambda: decide_unsealing(platform, SECOND, asked.id, True, AGREED)).code
        == "study.results_changed"
    )


def test_a_lock_that_may_not_be_used_unseals_nothing(platform: Platform, study: Study) -> None:
    """A patient withdraws between the two people."""
    from rwd_platform.flows.withdraw import withdraw

    asked = ask(platform, study)
    withdraw(
        platform, CLERK, erasing.VICTIM, reason="consent-withdrawn", withdrawn_on="2026-11-01",
        consent_version="C-1",
    )  # fmt: skip
    assert (
        refusal(lambda: decide_unsealing(platform, SECOND, asked.id, True, AGREED)).code
        == "withdrawal.lock_frozen"
    )
    assert newest_run(platform, study).sealed_part


# -- run again -------------------------------------------------------------------------------------------------------


def test_a_new_run_is_sealed_again_and_outdates_what_waits(
    platform: Platform, study: Study, clock: StandingClock
) -> None:
    asked = ask(platform, study)
    clock.advance(hours=1)
    run = run_study(platform, RESEARCHER, study.id)
    assert platform.records.get(UnsealingRequest, asked.id).state == "outdated" and run.sealed_part
    assert (
        refusal(lambda: decide_unsealing(platform, SECOND, asked.id, True, AGREED)).code
        == "lifecycle.not_allowed"
    )
    assert ask(platform, study).run_id == run.id


def test_a_request_says_by_itself_that_outcomes_were_seen_before(
    platform: Platform, study: Study, clock: StandingClock
) -> None:
    """Whatever the requester declares: an earlier run of this study was unsealed, and on which day."""
    first = unseal(platform, study.id)
    clock.advance(days=3)
    run_study(platform, RESEARCHER, study.id)
    clock.advance(days=1)
    asked = ask(platform, study, knowledge=Knowledge("none"))
    assert asked.seen_before == first.unsealed_at[:10]
    assert (
        entries(platform, "results.unsealing_requested")[-1]["decision"]["seen_before"] == asked.seen_before
    )


def test_a_run_of_before_there_were_seals_is_open_and_counts_as_seen(
    platform: Platform, study: Study, clock: StandingClock
) -> None:
    unseal(platform, study.id)
    changed(platform, "UPDATE analysis_run SET sealed_analyses = '[]', unsealed_at = ''")
    old = newest_run(platform, study)
    assert results_of(platform, old).rows
    assert refusal(lambda: ask(platform, study)).code == "unsealing.nothing_sealed"
    clock.advance(days=1)
    run_study(platform, RESEARCHER, study.id)
    assert ask(platform, study).seen_before == old.made_at[:10]
