"""Rows are drawn, a hospital fills in its sheet, and what the charts say stands in the next version of a package."""

from __future__ import annotations

import json
import pydoc
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.flows.chart_agreement import agreement_for, drawn_for, kept_as
from rwd_platform.flows.chart_sheets import return_sheet, sheet_for, sheet_seen
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import LEDGER, seal
from rwd_platform.flows.source_verification import close_round, draw_round, limits
from rwd_platform.flows.study import lock_data, newest_run, run_study
from rwd_platform.flows.sweep import sweep_leftovers
from rwd_platform.flows.verification_rounds import RoundSeen, returned_of, rounds_of, sheets_of
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.flows.withdraw import withdraw
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, User, VerificationRound
from studies.evidence.sample import policy as policies
from studies.evidence.sample.agreement import VariableAgreement
from studies.evidence.sample.rounds import Verified
from studies.evidence.sample.sheet import COLUMNS, IN_CHART, SheetLine
from tests.conftest import StandingClock
from tests.evidence.sample.made import as_platform, changed, policy_with, rows_of, written
from tests.flows.erasing import VICTIM, found_on_disk, opened, pseudonym
from tests.flows.sending import CLERK, CLERK_B, REGULATOR, RESEARCHER
from tests.flows.unsealing import settle, unseal
from tests.flows.verifying import (
    NIGHT_SHIFT,
    UNTIL,
    chart,
    drawn,
    every_third_differs,
    only_sheet,
    refused,
    sample,
    study_of,
)

STRANGER = Actor("researcher-x", "researcher", "org-hospital-a")
LEFT = {"reason": "consent-withdrawn", "withdrawn_on": "2026-11-01", "consent_version": "v1"}
SHEETS, ROUNDS = "rwd_platform.flows.chart_sheets", "rwd_platform.flows.source_verification"
ENOUGH = "医院已全部核对完毕，本轮结束"


@pytest.fixture
def platform(analysed: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    """Thirty patients of one hospital, a lock, and a run whose results are sealed."""
    found = opened(Path(shutil.copytree(analysed, tmp_path / "home", symlinks=True)), clock)
    settle(found, RESEARCHER, CLERK_B)
    yield found
    found.records.engine.dispose()


@pytest.fixture
def seen(platform: Platform) -> RoundSeen:
    return drawn(platform)


def acts(platform: Platform, action: str) -> list[dict[str, Any]]:
    found = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
    return [json.loads(one.body) for one in found]


def beside_the_lock(platform: Platform, seen: RoundSeen) -> list[str]:
    """Kinds of what lies sealed beside the round's lock and is of a sheet."""
    found = platform.layout.home / LEDGER
    return sorted(path.suffix[1:] for path in found.glob(f"{seen.round.lock_id}.SV-*"))


# --- drawing ------------------------------------------------------------------------------------------------


def test_a_round_issues_a_sheet_to_each_hospital_and_says_so_in_the_log(
    platform: Platform, seen: RoundSeen
) -> None:
    """Results may be sealed: what the charts say is best asked before outcomes are seen."""
    (sheet,) = seen.sheets
    assert (sheet.organisation_id, sheet.state, sheet.refused) == (CLERK.organisation, "sheet_issued", 0)
    assert sheet.items == 30 * 11, "thirty rows, eleven variables"
    assert (seen.round.known_until, seen.round.state) == (UNTIL, "round_open")
    assert seen.round.policy_sha256 == sha256_hex(seen.round.policy.encode()) == policies.policy().sha256
    (act,) = acts(platform, "verification.drawn")
    assert act["decision"]["sheets"] == {sheet.id: sheet.issued_sha256}
    assert act["decision"]["lock"] == seen.round.lock_id and act["object"]["id"] == seen.round.id
    assert verify_records(platform.records, platform.log_signer.public_key).ok


def test_the_same_lock_and_day_are_the_same_round(platform: Platform, seen: RoundSeen) -> None:
    again = drawn(platform)
    assert again.round.id == seen.round.id and len(acts(platform, "verification.drawn")) == 1


def test_another_day_waits_until_the_round_is_closed(
    platform: Platform, seen: RoundSeen, clock: StandingClock
) -> None:
    clock.advance(minutes=1)
    assert refused(lambda: drawn(platform, until="2026-10-30")).code == "verification.round_open"
    close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
    later = drawn(platform, until="2026-10-30")
    assert later.sheets[0].id != seen.sheets[0].id, "another day is another sheet"
    rows = [{one.drawn.row for one in sample(platform, each).rows} for each in (later, seen)]
    assert rows[0] == rows[1], "nobody gets other rows by drawing again"
    assert [one.round.id for one in rounds_of(platform, study_of(platform).id)] == [
        later.round.id,
        seen.round.id,
    ]


def test_a_day_that_is_none_or_has_not_come_is_refused(platform: Platform) -> None:
    """The tests' day is 2 November 2026 in Beijing."""
    days = [
        "",
        "2026-11-03",
        "2026-02-30",
        "20261031",
        "2026-W44-6",
        "31.10.2026",
        "昨天",
        "2026-10-31T00:00",
    ]
    for day in days:
        assert refused(lambda day=day: drawn(platform, until=day)).code == "verification.day_unfit", day
    assert not platform.records.all(select(VerificationRound))


def test_a_day_before_the_last_patient_began_is_refused_and_makes_no_round(platform: Platform) -> None:
    """A round cannot be taken back: charts that end before a patient entered the study cannot bear anything out."""
    round = VerificationRound(
        lock_id=newest_run(platform, study_of(platform)).lock_id,
        run_id=newest_run(platform, study_of(platform)).id,
        study_id=study_of(platform).id,
        policy=policies.policy_text(),
        known_until=UNTIL,
    )
    sample_there, first = drawn_for(platform, round)
    assert first.endswith("-01") and first[5:7] in ("01", "04", "07", "10") and sample_there.rows
    before = (date.fromisoformat(first) - timedelta(days=1)).isoformat()
    for day in ("1900-01-01", before):
        error = refused(lambda day=day: drawn(platform, until=day))
        assert error.code == "verification.day_too_early"
        assert first in error.next_zh and "2026-11-02" in error.next_en, (
            "the first and the last that may be given"
        )
    assert not platform.records.all(select(VerificationRound)) and not acts(platform, "verification.drawn")
    assert drawn(platform, until=first).round.known_until == first


def test_today_may_be_the_day(platform: Platform) -> None:
    assert drawn(platform, until="2026-11-02").round.known_until == "2026-11-02"


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (CLERK, "access.not_allowed"),
        (REGULATOR, "access.not_allowed"),
        (STRANGER, "records.not_found"),
    ],
)
def test_only_the_study_s_team_draws_and_closes(platform: Platform, actor: Actor, code: str) -> None:
    study = study_of(platform).id
    assert refused(lambda: drawn(platform, actor)).code == code
    assert refused(lambda: close_round(platform, actor, study, ENOUGH)).code == code
    assert acts(platform, "access.refused")[-1]["actor"]["id"] == actor.id


def test_a_new_lock_has_to_be_analysed_first(platform: Platform, clock: StandingClock) -> None:
    clock.advance(hours=1)
    study = study_of(platform)
    first = newest_run(platform, study).lock_id
    # The same rows give the same lock; a later one needs other rows: a patient who withdrew is out of it.
    withdraw(platform, CLERK, VICTIM, **LEFT)
    lock = lock_data(platform, RESEARCHER, study.id)
    assert lock.id != first
    assert refused(lambda: drawn(platform)).code == "verification.lock_not_analysed"
    run_study(platform, RESEARCHER, study.id)
    assert drawn(platform).round.lock_id == lock.id


def test_after_a_withdrawal_nothing_is_drawn_handed_out_or_taken_on_that_lock(
    platform: Platform, seen: RoundSeen
) -> None:
    content, id = chart(platform, seen), only_sheet(platform).id
    withdraw(platform, CLERK, VICTIM, **LEFT)
    for doing in (
        lambda: sheet_for(platform, CLERK, id),
        lambda: return_sheet(platform, CLERK, id, content),
        lambda: draw_round(platform, RESEARCHER, study_of(platform).id, "2026-10-01"),
    ):
        assert refused(doing).code == "withdrawal.lock_frozen"
    assert only_sheet(platform).state == "sheet_issued"


# --- the hospital's sheet -----------------------------------------------------------------------------------


def test_the_hospital_downloads_the_sheet_as_it_was_issued_and_that_is_in_the_log(
    platform: Platform, seen: RoundSeen
) -> None:
    content = sheet_for(platform, CLERK, seen.sheets[0].id)
    assert sha256_hex(content) == seen.sheets[0].issued_sha256
    rows = rows_of(content)
    assert rows[0] == list(COLUMNS) and len(rows) == 331
    assert {row[COLUMNS.index(IN_CHART)] for row in rows[1:]} == {""}, "the chart is read blind"
    (act,) = acts(platform, "verification.sheet_read")
    assert act["actor"]["id"] == CLERK.id and act["object"]["version"] == seen.sheets[0].issued_sha256


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (CLERK_B, "records.not_found"),
        (RESEARCHER, "access.not_allowed"),
        (REGULATOR, "access.not_allowed"),
        (Actor("o", "operator", "org-operator"), "access.not_allowed"),
    ],
)
def test_another_s_sheet_is_not_there(platform: Platform, seen: RoundSeen, actor: Actor, code: str) -> None:
    id, content = seen.sheets[0].id, chart(platform, seen)
    for doing in (
        lambda: sheet_for(platform, actor, id),
        lambda: sheet_seen(platform, actor, id),
        lambda: return_sheet(platform, actor, id, content),
    ):
        assert refused(doing).code == code
    assert only_sheet(platform).state == "sheet_issued" and not beside_the_lock(platform, seen)
    assert CLERK_B is not actor or sheets_of(platform, CLERK_B) == []


def test_a_sheet_that_is_none_is_not_there(platform: Platform, seen: RoundSeen) -> None:
    for id in ["", "SV-none", "x" * 5000, "a\x00b", "../../etc/passwd"]:
        assert refused(lambda id=id: sheet_for(platform, CLERK, id)).http == 404
        assert refused(lambda id=id: return_sheet(platform, CLERK, id, b"x")).http == 404


def test_a_filled_sheet_is_accepted_and_kept_sealed(platform: Platform, seen: RoundSeen) -> None:
    content = chart(platform, seen)
    outcome = return_sheet(platform, CLERK, seen.sheets[0].id, content)
    sheet = only_sheet(platform)
    assert outcome.accepted and (sheet.state, sheet.answered) == ("sheet_accepted", 330)
    assert (sheet.returned_sha256, sheet.returned_by) == (sha256_hex(content), CLERK.id)
    assert beside_the_lock(platform, seen) == [kept_as(sheet.id, sheet.returned_sha256)]
    (act,) = acts(platform, "verification.sheet_accepted")
    assert act["object"]["version"] == sha256_hex(content) and act["decision"]["replaces"] == ""
    assert found_on_disk(platform, [sheet.id + ",1,"]) == {}, "no line of it lies in clear"
    assert verify_records(platform.records, platform.log_signer.public_key).ok


def test_the_same_file_twice_is_one_return(platform: Platform, seen: RoundSeen) -> None:
    content, id = chart(platform, seen), seen.sheets[0].id
    return_sheet(platform, CLERK, id, content)
    again = return_sheet(platform, CLERK, id, content)
    assert again.accepted and len(acts(platform, "verification.sheet_accepted")) == 1


def test_a_later_sheet_takes_the_place_of_the_first_and_both_hashes_are_in_the_log(
    platform: Platform, seen: RoundSeen
) -> None:
    first, second, id = chart(platform, seen), chart(platform, seen, every_third_differs), seen.sheets[0].id
    return_sheet(platform, CLERK, id, first)
    return_sheet(platform, CLERK, id, second)
    assert only_sheet(platform).returned_sha256 == sha256_hex(second)
    assert beside_the_lock(platform, seen) == [kept_as(id, sha256_hex(second))]
    last = acts(platform, "verification.sheet_accepted")[-1]
    assert (last["object"]["version"], last["decision"]["replaces"]) == (
        sha256_hex(second),
        sha256_hex(first),
    )


def test_a_sheet_in_gb18030_as_a_chinese_spreadsheet_saves_it_is_accepted(
    platform: Platform, seen: RoundSeen
) -> None:
    assert return_sheet(
        platform, CLERK, seen.sheets[0].id, chart(platform, seen, encoding="gb18030")
    ).accepted


def _without_a_column(content: bytes) -> bytes:
    return written([row[:-1] for row in rows_of(content)])


def _with_a_column(content: bytes) -> bytes:
    return written([[*row, NIGHT_SHIFT] for row in rows_of(content)])


def _digests_exchanged(content: bytes) -> bytes:
    """As when one column is sorted by itself."""
    rows = rows_of(content)
    rows[1][5], rows[12][5] = rows[12][5], rows[1][5]
    return written(rows)


WRONG = {
    "an empty file": (lambda one: b"", "verification.sheet_empty"),
    "a workbook": (lambda one: b"PK\x03\x04" + one, "verification.sheet_not_text"),
    "bytes": (lambda one: bytes(range(256)) * 40, "verification.sheet_not_text"),
    "UTF-16": (lambda one: one.decode("utf-8-sig").encode("utf-16"), "verification.sheet_not_text"),
    "too large": (lambda one: one + b"\n" * 5_000_001, "verification.sheet_too_large"),
    "cut off": (lambda one: one + b'"' + NIGHT_SHIFT.encode(), "verification.sheet_broken"),
    "a column lost": (_without_a_column, "verification.sheet_column_missing"),
    "a column more": (_with_a_column, "verification.sheet_column_extra"),
    "a line lost": (lambda one: written(rows_of(one)[:-1]), "verification.lines_missing"),
    "an edited line": (lambda one: changed(one, 5, digest=NIGHT_SHIFT), "verification.line_edited"),
    "another line's digest": (_digests_exchanged, "verification.line_edited"),
    "a name in a cell": (lambda one: changed(one, 5, in_chart=NIGHT_SHIFT), "verification.cell_"),
    "a formula": (lambda one: changed(one, 5, in_chart='=HYPERLINK("x")'), "verification.cell_formula"),
    "another sheet": (
        lambda one: changed(one, 5, sheet="SV-00000000000000000000"),
        "verification.sheet_other",
    ),
    "no reason": (lambda one: changed(one, 5, agrees="否"), "verification.line_contradicts"),
}


def test_a_sheet_with_a_problem_changes_nothing_but_the_count_and_repeats_no_value(
    platform: Platform, seen: RoundSeen
) -> None:
    good = chart(platform, seen)
    return_sheet(platform, CLERK, seen.sheets[0].id, good)
    for count, (wrong, (spoil, code)) in enumerate(WRONG.items(), start=1):
        outcome = return_sheet(platform, CLERK, seen.sheets[0].id, spoil(good))
        sheet = only_sheet(platform)
        assert not outcome.accepted and any(one.code.startswith(code) for one in outcome.problems), wrong
        assert (sheet.state, sheet.returned_sha256, sheet.refused) == (
            "sheet_accepted",
            sha256_hex(good),
            count,
        ), wrong
        told = json.dumps([one.as_dict() for one in outcome.problems], ensure_ascii=False)
        assert NIGHT_SHIFT not in told and all(one.zh and one.next_en for one in outcome.problems), wrong
        act = acts(platform, "verification.sheet_refused")[-1]
        assert act["outcome"] == "refused" and act["decision"]["problems"] == len(outcome.problems), wrong
    assert NIGHT_SHIFT not in json.dumps(acts(platform, "verification.sheet_refused"), ensure_ascii=False)


def test_a_sheet_with_nothing_in_it_is_no_answer(platform: Platform, seen: RoundSeen) -> None:
    empty = sheet_for(platform, CLERK, seen.sheets[0].id)
    (problem,) = return_sheet(platform, CLERK, seen.sheets[0].id, empty).problems
    assert problem.code == "verification.nothing_answered" and only_sheet(platform).state == "sheet_issued"


def test_every_problem_is_told_with_its_line(platform: Platform, seen: RoundSeen) -> None:
    content = changed(changed(chart(platform, seen), 7, in_chart="=1"), 90, agrees="")
    outcome = return_sheet(platform, CLERK, seen.sheets[0].id, content)
    assert [one.code for one in outcome.problems] == [
        "verification.cell_formula",
        "verification.line_contradicts",
    ]
    assert "第 7 行" in outcome.problems[0].zh and "line 90" in outcome.problems[1].en.lower()


def test_an_account_that_was_disabled_returns_nothing(platform: Platform, seen: RoundSeen) -> None:
    disable(platform, CLERK)
    content = chart(platform, seen)
    assert (
        refused(lambda: return_sheet(platform, CLERK, seen.sheets[0].id, content)).code == "access.no_account"
    )
    assert only_sheet(platform).state == "sheet_issued" and not beside_the_lock(platform, seen)


# --- in between: what holds when it is looked at may hold no more when it is put on record ------------------


def meanwhile(monkeypatch: pytest.MonkeyPatch, where: str, happens: Callable[[], Any]) -> None:
    """`happens` once, when the flow comes to `where`: after its checks, before its transaction."""
    original = pydoc.locate(where)
    assert callable(original)

    def first(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(where, original)
        happens()
        return original(*args, **more)

    monkeypatch.setattr(where, first)


def disable(platform: Platform, actor: Actor) -> None:
    user = platform.records.get(User, actor.id)
    user.disabled_at = "2026-11-01T00:00:00.000000Z"
    platform.records.write(user, audit=Act(RESEARCHER, "user.disabled", Object("user", user.id)))


def test_a_withdrawal_while_a_sheet_is_read_leaves_nothing_of_it(
    platform: Platform, seen: RoundSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = chart(platform, seen)
    meanwhile(monkeypatch, f"{SHEETS}._read", lambda: withdraw(platform, CLERK, VICTIM, **LEFT))
    error = refused(lambda: return_sheet(platform, CLERK, seen.sheets[0].id, content))
    assert error.code == "withdrawal.lock_frozen"
    assert only_sheet(platform).state == "sheet_issued" and not beside_the_lock(platform, seen)
    assert not acts(platform, "verification.sheet_accepted")


def test_a_withdrawal_while_rows_are_drawn_leaves_no_round(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, f"{ROUNDS}._sheets_of", lambda: withdraw(platform, CLERK, VICTIM, **LEFT))
    assert refused(lambda: drawn(platform)).code == "withdrawal.lock_frozen"
    assert not platform.records.all(select(VerificationRound)) and not acts(platform, "verification.drawn")


def test_an_account_that_is_closed_while_rows_are_drawn_draws_none(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, f"{ROUNDS}._sheets_of", lambda: disable(platform, RESEARCHER))
    assert refused(lambda: drawn(platform)).code == "access.no_account"
    assert not platform.records.all(select(VerificationRound)) and not acts(platform, "verification.drawn")


def test_an_account_that_is_closed_meanwhile_closes_no_round(
    platform: Platform, seen: RoundSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, f"{ROUNDS}._check_reason", lambda: disable(platform, RESEARCHER))
    study = study_of(platform).id
    assert refused(lambda: close_round(platform, RESEARCHER, study, ENOUGH)).code == "access.no_account"
    assert platform.records.get(VerificationRound, seen.round.id).state == "round_open"


def test_a_program_without_an_account_neither_draws_nor_closes(platform: Platform, seen: RoundSeen) -> None:
    program, study = Actor("cli:root", "researcher", RESEARCHER.organisation), study_of(platform).id
    assert refused(lambda: close_round(platform, program, study, ENOUGH)).code == "access.no_account"
    close_round(platform, RESEARCHER, study, ENOUGH)
    assert refused(lambda: drawn(platform, program, "2026-11-01")).code == "access.no_account"


# --- closing ------------------------------------------------------------------------------------------------


def test_a_closed_round_takes_nothing_and_hands_nothing_out(platform: Platform, seen: RoundSeen) -> None:
    content, id = chart(platform, seen), seen.sheets[0].id
    close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
    for doing in (lambda: return_sheet(platform, CLERK, id, content), lambda: sheet_for(platform, CLERK, id)):
        assert refused(doing).code == "verification.round_closed"
    assert refused(lambda: drawn(platform)).code == "verification.round_closed"
    assert refused(lambda: close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)).code == (
        "verification.no_round"
    )
    (one,) = sheets_of(platform, CLERK)
    assert not one.can_return and only_sheet(platform).refused == 0


REASONS = {
    "": "reason_unfit",
    "。。。。。。。。": "reason_unfit",
    "123456789": "reason_unfit",
    "核" * 1001: "reason_unfit",
    "核对完毕了\x00呢": "reason_unfit",
    "患者 11010519491231002X 未找到病历": "reason_identifies",
}


def test_a_round_is_closed_with_a_reason_that_names_nobody(platform: Platform, seen: RoundSeen) -> None:
    study = study_of(platform).id
    for reason, code in REASONS.items():
        error = refused(lambda reason=reason: close_round(platform, RESEARCHER, study, reason))
        assert error.code == f"verification.{code}" and "11010519491231002X" not in str(error.as_dict())
        assert code != "reason_identifies" or "身份证号" in error.zh
    assert platform.records.get(VerificationRound, seen.round.id).state == "round_open"
    assert limits().longest_text == 1000


def test_a_reason_may_hold_rare_characters_pictures_and_an_address(
    platform: Platform, seen: RoundSeen
) -> None:
    reason = "医院𠮷主任核对完毕😀\U00031350，说明见 http://127.0.0.1/x.png"
    closed = close_round(platform, RESEARCHER, study_of(platform).id, reason)
    assert closed.closed_because == reason


def test_a_sheet_that_nobody_returned_waits_no_more_once_its_round_is_closed(
    platform: Platform, seen: RoundSeen
) -> None:
    assert sheets_of(platform, CLERK)[0].standing.zh == "待医院核查"
    close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
    (one,) = sheets_of(platform, CLERK)
    assert "未交回" in one.standing.zh and "closed" in one.standing.en and one.sheet.state == "sheet_issued"


def test_values_that_can_hardly_be_are_pointed_out_and_taken(platform: Platform, seen: RoundSeen) -> None:
    """A sheet is the hospital's word: it is accepted, and whoever wrote -5 years is asked to look once more."""

    def by(line: SheetLine) -> tuple[str, str, str]:
        if line.variable.name == "age" and line.row.drawn.place in (1, 2):
            return {1: "-5", 2: "999"}[line.row.drawn.place], "否", "转录错误"
        return as_platform(line)

    content = chart(platform, seen, by)
    outcome = return_sheet(platform, CLERK, only_sheet(platform).id, content)
    assert outcome.accepted and [(one.place, one.variable) for one in outcome.hints] == [
        (1, "age"),
        (2, "age"),
    ]
    for one in outcome.hints:
        assert (one.low, one.high, one.unit) == (0, 130, "years") and "手术时年龄" in one.words.zh
        assert "999" not in str(one) and "-5" not in str(one), "a sheet's values are not repeated"
    again = return_sheet(platform, CLERK, only_sheet(platform).id, content)
    assert again.hints == outcome.hints, "the same sheet gets the same answer"
    assert return_sheet(platform, CLERK, only_sheet(platform).id, chart(platform, seen)).hints == ()


# --- what the charts say ------------------------------------------------------------------------------------


def pairs_of(content: bytes, of: dict[int, str]) -> list[tuple[str, str]]:
    """(platform, chart) of the menopausal status, from the file itself: what kappa is computed from elsewhere."""
    found = []
    for row in rows_of(content)[1:]:
        if row[6] == "meno":
            said = row[9] or "not_recorded"
            found.append((of[int(row[1])], said))
    return found


def meno_of(verified: Verified | None, place: int = 0) -> VariableAgreement:
    """Of all hospitals together; `place` of the round, the newest first."""
    assert verified is not None
    found = verified.rounds[place].agreement
    assert found is not None
    return next(one for one in found.overall if one.variable == "meno")


def test_kappa_is_that_of_statsmodels_on_the_same_pairs(platform: Platform, seen: RoundSeen) -> None:
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    content = chart(platform, seen, every_third_differs)
    return_sheet(platform, CLERK, seen.sheets[0].id, content)
    study = study_of(platform)
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    verified = agreement_for(platform, study, newest_run(platform, study))
    assert verified is not None and verified.rounds[0].known_until == UNTIL
    line = meno_of(verified)
    values = {one.drawn.place: str(one.values["meno"]) for one in sample(platform, seen).rows}
    pairs = pairs_of(content, values)
    names = sorted({name for pair in pairs for name in pair})
    table = np.zeros((len(names), len(names)))
    for mine, theirs in pairs:
        table[names.index(mine), names.index(theirs)] += 1
    expected = cohens_kappa(table)
    assert line.kappa is not None and line.kappa.kappa == pytest.approx(expected.kappa, abs=1e-12)
    assert line.kappa.se == pytest.approx(expected.std_kappa, abs=1e-12)
    assert (line.compared, line.agreed, line.not_recorded) == (30, 20, 1)


def test_nothing_came_back_is_no_agreement(platform: Platform, seen: RoundSeen) -> None:
    study = study_of(platform)
    run = newest_run(platform, study)
    assert agreement_for(platform, study, run) is None and returned_of(platform, run.lock_id) is None


def test_a_round_drawn_anew_hides_no_agreement_and_each_is_told_whole(
    platform: Platform, seen: RoundSeen, clock: StandingClock
) -> None:
    """Whoever dislikes what came back cannot make it go away by drawing again."""
    study = study_of(platform)
    run = newest_run(platform, study)
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen, every_third_differs))
    close_round(platform, RESEARCHER, study.id, "换一个截止日再核对一遍")
    first = agreement_for(platform, study, run)
    bad = meno_of(first)
    assert bad.share == pytest.approx(20 / 30) and bad.kappa and bad.kappa.kappa and bad.kappa.kappa < 1
    clock.advance(hours=1)
    later = drawn(platform, until="2026-11-01")
    assert agreement_for(platform, study, run) == first, "a round by itself says nothing"
    return_sheet(platform, CLERK, later.sheets[0].id, chart(platform, later))
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    found = returned_of(platform, run.lock_id)
    assert found is not None and [one["round"] for one in found["rounds"]] == [later.round.id, seen.round.id]
    verified = agreement_for(platform, study, run)
    assert verified is not None and first is not None and verified.rounds[1:] == first.rounds
    assert [(one.number, one.closed_because) for one in verified.rounds] == [
        (2, ENOUGH),
        (1, "换一个截止日再核对一遍"),
    ]
    assert meno_of(verified).share == 1.0
    assert (meno_of(verified, 1).share, meno_of(verified, 1).kappa) == (bad.share, bad.kappa)


def test_what_came_back_of_an_open_round_is_read_by_nobody(platform: Platform, seen: RoundSeen) -> None:
    """Else the team could look, close it, and draw again knowing why; not through a package either."""
    study = study_of(platform)
    run = newest_run(platform, study)
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen, every_third_differs))
    found = returned_of(platform, run.lock_id)
    assert found is not None and found["rounds"] == []
    assert found["open"] is not None and (found["open"]["returned"], found["open"]["issued"]) == (1, 1)
    verified = agreement_for(platform, study, run)
    assert verified is not None and verified.rounds == () and verified.open_round is not None
    assert (verified.open_round.number, verified.open_round.known_until) == (1, UNTIL)
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    told = agreement_for(platform, study, run)
    assert told is not None and told.open_round is None and meno_of(told).agreed == 20


def test_a_round_from_which_nothing_came_back_has_its_number_and_is_not_told(
    platform: Platform, seen: RoundSeen, clock: StandingClock
) -> None:
    study = study_of(platform)
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    clock.advance(hours=1)
    later = drawn(platform, until="2026-11-01")
    return_sheet(platform, CLERK, later.sheets[0].id, chart(platform, later))
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    found = returned_of(platform, later.round.lock_id)
    assert found is not None and [one["number"] for one in found["rounds"]] == [2]


def test_sheets_that_can_no_longer_be_read_stay_named_and_stop_no_package(
    platform: Platform, seen: RoundSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release of the platform words its sheets otherwise: a closed round would take no other sheet."""
    study = study_of(platform)
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen))
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    monkeypatch.setattr("studies.evidence.sample.read_sheet.sheet_id", lambda *_: "SV-of-another-wording")
    verified = agreement_for(platform, study, newest_run(platform, study))
    assert verified is not None and verified.rounds[0].agreement is None
    (sheet,) = verified.rounds[0].sheets
    assert (sheet.sheet, sheet.sha256) == (seen.sheets[0].id, only_sheet(platform).returned_sha256)


def test_a_policy_that_changed_since_changes_no_round(
    platform: Platform, seen: RoundSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = chart(platform, seen)
    few = policy_with(total=3, least=1, events=0)
    monkeypatch.setattr("studies.evidence.sample.trace.policy", lambda: few)
    assert sha256_hex(sheet_for(platform, CLERK, seen.sheets[0].id)) == seen.sheets[0].issued_sha256
    assert return_sheet(platform, CLERK, seen.sheets[0].id, content).accepted


def test_a_sheet_that_would_not_be_the_same_is_not_handed_out(
    platform: Platform, seen: RoundSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.evidence.sample.sheet.sheet", lambda *_: b"another wording")
    assert refused(lambda: sheet_for(platform, CLERK, seen.sheets[0].id)).code == "verification.sheet_changed"
    assert not acts(platform, "verification.sheet_read")


@pytest.mark.parametrize("loss", ["gone", "another's"])
def test_what_is_missing_or_not_what_came_back_is_not_computed_with(
    platform: Platform, seen: RoundSeen, loss: str
) -> None:
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen))
    sheet = only_sheet(platform)
    kind = kept_as(sheet.id, sheet.returned_sha256)
    if loss == "gone":
        (platform.layout.home / LEDGER / f"{seen.round.lock_id}.{kind}").unlink()
    else:
        seal(platform, seen.round.lock_id, kind, chart(platform, seen, every_third_differs))
    study = study_of(platform)
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    error = refused(lambda: agreement_for(platform, study, newest_run(platform, study)))
    assert error.code == "verification.returned_damaged" and sheet.id in error.zh


def test_a_sweep_leaves_what_came_back_where_it_is(platform: Platform, seen: RoundSeen) -> None:
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen))
    before = beside_the_lock(platform, seen)
    sweep_leftovers(platform)
    assert beside_the_lock(platform, seen) == before != []


def test_unsealing_makes_no_difference_to_what_is_drawn(platform: Platform, seen: RoundSeen) -> None:
    before = sample(platform, seen)
    unseal(platform, study_of(platform).id)
    assert sample(platform, seen) == before


def test_what_a_sheet_tells_of_itself_says_nothing_of_the_patient(
    platform: Platform, seen: RoundSeen
) -> None:
    content = sheet_for(platform, CLERK, seen.sheets[0].id).decode("utf-8-sig")
    assert VICTIM not in content and pseudonym(platform) not in content
