"""A protocol is evidence: what it says is read exactly, and what is wrong in it is named by its place."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from rwd_platform.core.errors import PlatformError
from studies.protocol import Protocol, load_protocol
from tests.studies.rotterdam_lock import protocol_text, rotterdam_protocol
from tests.studies.small import small_protocol, small_text

PROTOCOLS = Path(__file__).parents[2] / "studies/protocols"


def refusal(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        load_protocol(text)
    assert refused.value.code == "protocol.refused"
    return refused.value


def changed(old: str, new: str) -> str:
    text = small_text()
    assert old in text
    return text.replace(old, new, 1)


def test_the_hash_is_that_of_the_exact_text():
    """Freezing a protocol fixes its bytes; a blank at the end of a line already makes another protocol."""
    text = small_text()
    assert load_protocol(text).sha256 == hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert load_protocol(text + " \n").sha256 != load_protocol(text).sha256


@pytest.mark.parametrize("path", sorted(PROTOCOLS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_protocol_that_we_ship_can_be_read(path):
    """The files in studies/protocols are complete and refer only to what they define."""
    assert isinstance(load_protocol(path.read_text("utf-8")), Protocol)


def test_the_demonstration_declares_what_it_must():
    """Prior knowledge of the outcomes, the five attributes of the estimand, the target trial, the limits."""
    protocol = rotterdam_protocol()
    assert "known" in protocol.prior_knowledge.en
    assert len(protocol.target_trial) >= 7
    assert protocol.estimand.intercurrent_events
    assert any("Lecheng" in limit.en for limit in protocol.limits)
    assert protocol.overseas is not None
    assert (protocol.overseas.hazard_ratio, protocol.overseas.events) == (0.694884327, 299)
    assert [one.name for one in protocol.covariates] == [
        "age",
        "meno",
        "size",
        "grade",
        "nodes",
        "pgr",
        "er",
        "chemo",
    ]
    assert protocol.exposure.grace_days == (0, 0)


def test_every_text_is_in_both_languages():
    """Chinese texts hold Chinese, and no text of one language stands for the other."""
    protocol = rotterdam_protocol()
    texts = [protocol.title, protocol.question, protocol.estimand.treatment, protocol.exposure.title]
    texts += [one.title for one in (*protocol.analyses, *protocol.covariates, *protocol.populations)]
    texts += [one.reason for one in (*protocol.cohort.criteria, *protocol.outcome.rules)]
    for text in texts:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh), text
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in text.en), text


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("id: stent-study", "id: stent-study\nsponsor: x", "sponsor"),
        ("    unit: kg\n", "    unit: kg\n    units: kg\n", "covariates[1].units"),
        ("  name: stent\n", "", "exposure.name"),
        ("{zh: 支架研究, en: Stent study}", "{en: Stent study}", "title.zh"),
        ("{zh: 支架研究, en: Stent study}", "{zh: '', en: Stent study}", "title.zh"),
        ("grace_days: [0, 2]", "grace_days: [2, 0]", "exposure.grace_days"),
        ("grace_days: [0, 2]", "grace_days: [0]", "exposure.grace_days"),
        ("grace_days: [0, 2]", "grace_days: [0, two]", "exposure.grace_days[1]"),
        ("washout_days: 100", "washout_days: -1", "exposure.washout_days"),
        ("washout_days: 100", "washout_days: true", "exposure.washout_days"),
        ("format_version: 1", "format_version: 2", "format_version"),
        ('version: "0.3"', "version: 0.3", "version"),
        ("codes: [P1, P2]", "codes: []", "cohort.index.codes"),
        ("codes: [P1, P2]", "codes: [1]", "cohort.index.codes[0]"),
        ("index: {table: procedure", "index: {table: outcome_event", "cohort.index.table"),
        ("kind: age, at_least: 18, at_most: 90", "kind: age", "cohort.criteria[0]"),
        ("final: true", "final: 1", "outcome.sources[0].final"),
        ("free_values: [alive]", "free_values: [alive, dead]", "outcome.sources[0].free_values"),
        ("when: {life: event}", "when: {cancer: event}", "outcome.rules[0]"),
        ("when: {life: event}", "when: {life: dead}", "outcome.rules[0].when.life"),
        ("when: {life: event}, time_of: life", "when: {}, time_of: life", "outcome.rules[0].when"),
        ("days: [-365, -1]", "days: [-365, 1]", "covariates[3].days"),
        ("name: frailty", "name: stent", "covariates[2].name"),
        ("name: frailty", "name: event", "covariates[2].name"),
        ("name: frailty", "name: Frailty", "covariates[2].name"),
        ("{id: frail, code: F1", "{id: fit, code: F1", "covariates[2].levels[1].id"),
        ("{id: frail, code: F1", "{id: frail, code: F0", "covariates[2].levels[1].code"),
        ("covariate: age, at_least: 65", "covariate: age", "populations[1].restrictions[0]"),
        ("covariate: age, at_least: 65", "covariate: height, at_least: 65", "populations[1].restrictions[0]"),
        ("covariate: age, at_least: 65", "covariate: age, one_of: [fit]", "populations[1].restrictions[0]"),
        ("one_of: [fit]", "one_of: [young]", "populations[1].restrictions[1].one_of"),
        (
            "title: {zh: 一, en: Crude}, population: all",
            "title: {zh: 一, en: C}, population: no",
            "analyses[0].popu",
        ),
        ("id: all.crude", "id: crude", "analyses[0].id"),
        ("id: all.crude", "id: all.follow_up", "analyses[7].id"),
        ("id: all.crude", "id: overseas.crude", "analyses[0].id"),
        ("covariates: [age, frailty], weights: overlap", "weights: overlap", "analyses[2].covariates"),
        (
            "covariates: [age, frailty], weights",
            "covariates: [age, height], weights",
            "analyses[2].covariates",
        ),
        ("covariates: [age, frailty], weights", "covariates: [age, age], weights", "analyses[2].covariates"),
        ("weights: overlap}\n", "weights: overlap, proportional_hazards: true}\n", "analyses[2].prop"),
        ("compares: [all.crude, ", "compares: [all.curve, ", "analyses[9].compares"),
        ("days: [100, 9000]", "days: [100, .inf]", "analyses[5].days[1]"),
        ("smallest_cell: 5", "smallest_cell: 5.5", "diagnostics.smallest_cell"),
        ("largest_smd: 0.1", "largest_smd: .nan", "diagnostics.largest_smd"),
        ("limits: []", "limits: none", "limits"),
        ("largest_smd: 0.1", "largest_smd: 1" + "0" * 400, "diagnostics.largest_smd"),
        ("grace_days: [0, 2]", "grace_days: [0, 1" + "0" * 30 + "]", "exposure.grace_days[1]"),
    ],
)
def test_what_is_wrong_is_named_by_its_place_in_both_languages(old, new, place):
    """The path is that of the YAML, so that the writer finds it without knowing the program; with its line."""
    error = refusal(changed(old, new))
    assert error.details["path"].startswith(place)
    shown = place.split("[")[0]
    assert shown in error.zh and shown in error.en
    assert "[0]" not in error.zh + error.en, "places are counted from 1, or have a name"
    assert re.search(r"（第 [1-9]\d* 行）", error.zh) and re.search(r"\(line [1-9]\d*\)", error.en)
    assert error.next_zh and error.next_en


@pytest.mark.parametrize(
    ("old", "new", "en", "zh"),
    [
        ("    unit: kg\n", "    unit: kg\n    units: kg\n", "covariates[weight_kg].units", "[weight_kg].units"),
        ("grace_days: [0, 2]", "grace_days: [0, two]", "grace_days[item 2]", "grace_days[第 2 项]"),
        ("when: {life: event}", "when: {life: dead}", "rules[item 1].when.life", "rules[第 1 项].when.life"),
        ("covariate: age, at_least: 65", "covariate: age", "[item 1]", "[第 1 项]"),
        ("weights: overlap}\n", "weights: overlap, proportional_hazards: true}\n", "analyses[all.", "analyses[all."),
        ("final: true", "final: 1", "outcome.sources[life].final", "outcome.sources[life].final"),
        ("id: all.crude", "id: all.follow_up", "analyses[item 8].id", "analyses[第 8 项].id"),
    ],
)  # fmt: skip
def test_a_place_in_a_list_is_told_by_its_id_or_counted_from_one(old, new, en, zh):
    """Two items with one id are told by their numbers: the id would name both."""
    error = refusal(changed(old, new))
    assert en in error.en and zh in error.zh


@pytest.mark.parametrize(
    ("old", "new", "near", "known"),
    [
        ("title: {zh: 一, en: Crude}, population: all", "title: {zh: 一, en: C}, population: al", "all", "all"),
        ("covariates: [age, frailty], weights", "covariates: [age, fraity], weights", "frailty", "weight"),
        ("covariate: age, at_least: 65", "covariate: aged, at_least: 65", "age", "frailty"),
        ("one_of: [fit]", "one_of: [fitt]", "fit", "frail"),
        ("compares: [all.crude, ", "compares: [all.crud, ", "all.crude", "all.crude"),
        ("when: {life: event}", "when: {lif: event}", "life", "life"),
    ],
)  # fmt: skip
def test_a_name_that_nothing_has_is_answered_with_the_nearest_and_with_what_there_is(old, new, near, known):
    error = refusal(changed(old, new))
    assert f"did you mean {near}?" in error.en and f"是否想写 {near}？" in error.zh
    assert known in error.en.split("Defined: ")[1] and known in error.zh.split("已定义：")[1]


def test_a_name_that_is_near_nothing_is_answered_with_what_there_is_alone():
    error = refusal(changed("covariate: age, at_least: 65", "covariate: zzzzz, at_least: 65"))
    assert (
        "did you mean" not in error.en
        and "(defined: age, weight" in error.en
        and "（已定义：age、" in error.zh
    )


@pytest.mark.parametrize(
    "days", ["0.5", "true", ".inf", ".nan", "-36526", "36526", "1" + "0" * 300, "1.0e+300"]
)
def test_a_number_of_days_is_a_whole_one_within_a_hundred_years(days):
    for old, new in (
        ("grace_days: [0, 2]", f"grace_days: [-36525, {days}]"),
        ("washout_days: 100", f"washout_days: {days}"),
        ("days: [100, 9000]", f"days: [100, {days}]"),
        ("days: [-365, -1]", f"days: [{days}, -1]"),
    ):
        error = refusal(changed(old, new))
        assert "days" in error.details["path"] and "Traceback" not in error.en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in error.zh.split("：")[-1])
        assert not re.search(
            r"\b(None|True|False|inf|nan|Node|dict|list\()", error.en.replace("infinite", "")
        )


def test_a_hundred_years_are_read():
    assert load_protocol(changed("washout_days: 100", "washout_days: 36525")).exposure.washout_days == 36525


def test_an_overseas_result_must_lie_in_its_own_limits():
    """A typing error in the number to compare with would change the story of the report."""
    error = refusal(protocol_text().replace("ci_low: 0.5438440546", "ci_low: 0.75"))
    assert "overseas_result" in error.en


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "mapping"),
        ("- a\n- b", "mapping"),
        ("a: 1\na: 2", "stands twice"),
        ("a: &x 1\nb: *x", "anchors"),
        ("a: !!python/object/apply:os.system [ls]", "tags"),
        ("a: [1, 2", "not valid YAML"),
        ("a: " + "[" * 100 + "]" * 100, "nested too deeply"),
        ("a: b: c", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("a: " + "x" * 1_000_001, "more than"),
        ("? [a, b]\n: 1", "plain name"),
        ("<<: {a: 1}", "plain name"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("1: a", "mapping"),
    ],
)
def test_text_that_is_not_plain_yaml_is_refused(text, says):
    """No duplicate keys, anchors, tags, deep nesting or broken syntax: what a person reads is what is meant."""
    assert says in refusal(text).en


def test_looking_up_parts_of_a_protocol():
    """Parts are found by the names that the protocol gives them."""
    protocol = small_protocol()
    assert protocol.covariate("frailty").levels[0].id == "fit"
    assert protocol.population("old").restrictions[0].at_least == 65
    assert protocol.analysis("all.weighted").weights == "overlap"
    assert protocol.exposure.arm_title("comparator").en == "Old stent"


# -- the lock's section ------------------------------------------------------------------------------

LICENCE = """
    - id: licence
      date: "2024-03-15"
      title: {zh: 获准使用, en: Licensed}
      records: {table: drug_exposure, code_system: urn:dev, codes: [NEW], statuses: [completed]}
      order: not_before
"""


def with_lock(section: str, *changes: tuple[str, str]) -> str:
    text = small_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return f"{text}\nlock:\n{section}"


def test_without_the_section_a_lock_holds_days_and_generalises_nothing():
    """Protocols of before there was a choice mean what they always meant."""
    plan = small_protocol().lock
    assert (plan.dates, plan.generalise, plan.calendar) == ("days", (), ())
    assert plan.free_text is False, "no text of a patient is released by default"
    assert rotterdam_protocol().lock == plan


def test_the_section_is_read_as_it_stands():
    plan = load_protocol(
        with_lock(
            "  dates: shift\n"
            "  generalise: {subject.gender: drop, condition.onset_text: 'generalise:icd10:chapter'}\n"
            f"  calendar:{LICENCE}      when_broken: leave_out\n"
        )
    ).lock
    assert plan.dates == "shift"
    assert dict(plan.generalise) == {
        "subject.gender": "drop",
        "condition.onset_text": "generalise:icd10:chapter",
    }
    (rule,) = plan.calendar
    assert (rule.id, rule.date, rule.order, rule.when_broken) == (
        "licence",
        "2024-03-15",
        "not_before",
        "leave_out",
    )
    assert (rule.records.table, rule.records.codes, rule.title.zh) == ("drug_exposure", ("NEW",), "获准使用")


@pytest.mark.parametrize("written", ["true", "false"])
def test_whether_texts_may_be_prepared_is_the_protocols_own_word(written: str):
    """Said with the protocol, so that it is frozen, reviewed and hashed with everything else that is planned."""
    assert load_protocol(with_lock(f"  free_text: {written}")).lock.free_text is (written == "true")


def test_a_broken_calendar_refuses_unless_the_protocol_says_otherwise():
    assert load_protocol(with_lock(f"  calendar:{LICENCE}")).lock.calendar[0].when_broken == "refuse"


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ("  dates: weeks", "lock.dates"),
        ("  dates: 7", "lock.dates"),
        ("  shift: true", "lock.shift"),
        ("  free_text: yes please", "lock.free_text"),
        ('  free_text: "true"', "lock.free_text"),
        ("  free_text:", "lock.free_text"),
        ("  []", "lock"),
        ("  generalise: {gender: drop}", "lock.generalise.gender"),
        ("  generalise: {subject.gender: blur}", "lock.generalise.subject.gender"),
        ("  generalise: {subject.gender: 'age-band:0'}", "lock.generalise.subject.gender"),
        ("  generalise: {subject.gender: 'age-band:31'}", "lock.generalise.subject.gender"),
        ("  generalise: {subject.gender: 'generalise:icd10'}", "lock.generalise.subject.gender"),
        ("  generalise: {subject.subject_id: drop}", "lock.generalise.subject.subject_id"),
        ("  generalise: {visit.site_id: drop}", "lock.generalise.visit.site_id"),
        ("  generalise: {visit.source_line: drop}", "lock.generalise.visit.source_line"),
        ("  generalise: {subject.age_years: 'age-band:5'}", "lock.generalise.subject.age_years"),
        ("  generalise: {measurement.value: drop}", "lock.generalise.measurement.value"),
        ("  generalise: {procedure.performed_day: drop}", "lock.generalise.procedure.performed_day"),
        (
            "  dates: shift\n  generalise: {procedure.performed_date: drop}",
            "lock.generalise.procedure.performed_date",
        ),
        ("  generalise: {outcome_event.code: drop}", "lock.generalise.outcome_event.code"),
        (f"  calendar:{LICENCE}{LICENCE}", "lock.calendar[1].id"),
        ("  calendar:" + LICENCE.replace("2024-03-15", "2024-02-30"), "lock.calendar[0].date"),
        ("  calendar:" + LICENCE.replace('"2024-03-15"', "2024-03-15"), "lock.calendar[0].date"),
        ("  calendar:" + LICENCE.replace("not_before", "before"), "lock.calendar[0].order"),
        ("  calendar:" + LICENCE.replace("drug_exposure", "outcome_event"), "lock.calendar[0].records.table"),
        (f"  calendar:{LICENCE}      when_broken: cap\n", "lock.calendar[0].when_broken"),
    ],
)
def test_what_is_wrong_in_the_section_is_named_by_its_place(section: str, place: str):
    """An unknown choice, a column that joins rows or that an analysis reads, a rule that sees outcomes."""
    error = refusal(with_lock(section))
    assert error.details["path"] == place and re.search(r"\(line [0-9]+\):", error.en)


def test_a_lock_by_month_is_refused_when_analyses_are_planned_and_says_why():
    """No arm can be told and nobody followed up in months: found out when the protocol is read, not after the lock."""
    error = refusal(with_lock("  dates: month"))
    assert "lock.dates" in error.en and "no days" in error.en and "all.crude" in error.en
    assert "按月" in error.zh and "all.crude" in error.zh
    text = small_text()
    without = text[: text.index("analyses:")] + "analyses: []\n" + text[text.index("diagnostics:") :]
    assert load_protocol(f"{without}\nlock: {{dates: month}}\n").analyses == ()
    assert "analyses" in refusal(without).en, "a lock of days without an analysis has no purpose"
