"""What a protocol may plan: each method with its own fields, and the places where a plan is refused."""

from __future__ import annotations

import re

import pytest

from rwd_platform.core.errors import PlatformError
from studies.planned_reader import FIELDS
from studies.protocol import load_protocol
from studies.yaml_reader import among, printed
from tests.studies.valve import TEXT


def refused(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as error:
        load_protocol(text)
    assert error.value.code == "protocol.refused"
    return error.value


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1)


def test_the_second_demonstration_plans_what_a_single_arm_needs():
    protocol = load_protocol(TEXT)
    primary = [one for one in protocol.analyses if one.role == "primary"]
    assert [one.method for one in primary] == ["performance_criterion"]
    assert primary[0].criterion is not None and primary[0].criterion.value == 0.8
    assert protocol.aggregate("trial_abroad").subjects == 240
    assert protocol.outcomes_known == "no" and protocol.diagnostics.largest_loss == 0.05


REFUSALS = [
    ("method: rmst", "method: rmts", "method", "rmst"),
    ("      value: 0.8\n", "      value: 80\n", "criterion.value", "between 0 and 1"),
    ("      alpha: 0.025\n", "      alpha: 0.5\n", "criterion.alpha", "0.0001-0.2"),
    ("      direction: at_least\n", "      direction: above\n", "criterion.direction", "at_least"),
    ("horizon: {day: 365, window: 14}", "horizon: {day: 365, window: 92}", "horizon.window", "quarter"),
    ("horizon: {day: 365, window: 14}", "horizon: {day: 0}", "horizon.day", "above 0"),
    ("    lost: as_failure\n", "    lost: ignored\n", "lost", "as_failure"),
    ("    tau: 365\n", "    tau: 0\n", "tau", "above 0"),
    ("      assumed: 0.92\n", "      assumed: 0.8\n", "criterion.assumed", "better than the criterion"),
    ("    successes: 209\n", "    successes: 240\n", "aggregate", "all or none"),
    ("mean: 0.3916666667}", "mean: 39.2}", "covariates", "is a share"),
    ("mean: 0.3916666667}", "mean: 0.39, sd: 0.5}", "covariates", "is a share"),
    ("days: [30, 90, 180, 365]", "days: [30, 30, 180]", "days", "used twice"),
    ("  ph_alpha: 0.05\n", "  ph_alpha: 0\n", "ph_alpha", "between 0 and 1"),
    ("  largest_smd: 0.1\n", "  largest_smd: 99\n", "largest_smd", "between 0 and 1"),
    ("  smallest_effective_sample: 30\n", "  smallest_effective_sample: -5\n", "smallest_effective_sample", "negative"),
    ("    weights: att\n", "    weights: iptw\n", "weights", "overlap"),
    ("    of: all.weighted\n", "    of: all.criterion\n", "of", "not a Cox analysis"),
    ("    aggregate: trial_abroad\n", "    aggregate: trial\n", "aggregate", "not defined"),
    ("    horizon_day: 365\n", "    horizon_day: 180\n", "horizon.day", "cannot be compared"),
    ("    successes: 209\n", "    successes: 241\n", "successes", "more successes"),
    ("sd: 7.033447685", "sd: 0", "sd", "above 0"),
    ("{name: age, mean: 76.69166667, sd: 7.033447685}", "{name: weight, mean: 1}", "covariates", "weight"),
    ("      - {name: diabetes, mean: 0.3916666667}\n", "", "covariates", "does not publish 'diabetes'"),
    ("method: robust, weight: 0.5", "method: robust, weight: 2", "weight", "between 0 and 1"),
    ("decide_at: 0.975", "decide_at: 1", "decide_at", "between 0 and 1"),
    ("    role: sensitivity\n", "    role: primary\n", "analyses", "one primary analysis"),
    ('outcomes_known: "no"', "outcomes_known: maybe", "outcomes_known", "aggregate"),
    ("  largest_loss: 0.05\n", "  largest_loss: 5\n", "largest_loss", "between 0 and 1"),
    ("    population: all\n    tau", "    population: some\n    tau", "population", "not defined"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "says"), REFUSALS, ids=[one[1].strip() for one in REFUSALS])
def test_a_plan_that_cannot_be_carried_out_is_refused_with_its_place(old, new, place, says):
    error = refused(changed(old, new))
    assert place in error.en and says in error.en, error.en
    assert re.search(r"[\u4e00-\u9fff]", error.zh) and place in error.zh


def test_an_analysis_that_looks_into_another_stands_after_it():
    first = TEXT.index("  - id: all.e_value")
    last = TEXT.index("  - id: all.forest")
    moved = TEXT.replace(TEXT[first:last], "").replace("analyses:\n", "analyses:\n" + TEXT[first:last])
    assert "stand before it" in refused(moved).en


@pytest.mark.parametrize("method", sorted(FIELDS))
def test_a_field_of_another_method_is_refused(method):
    """Nobody plans a thing that would be ignored: each method knows its own fields alone."""
    required, optional = FIELDS[method]
    strange = next(name for name in ("tau", "days", "criterion", "of") if name not in (*required, *optional))
    block = f"analyses:\n  - {{id: x.y, method: {method}, title: {{zh: 一, en: One}}, {strange}: 1}}\n"
    error = refused(TEXT.replace("analyses:\n", block, 1))
    assert "analyses[x.y]" in error.en and "analyses[x.y]" in error.zh


def test_strata_and_subgroups_are_levels_not_numbers():
    with_strata = changed(
        "    title: {zh: 对数秩检验, en: Log-rank test}\n",
        "    title: {zh: 对数秩检验, en: Log-rank test}\n    strata: [age]\n",
    )
    assert "makes no strata" in refused(with_strata).en
    both = changed(
        "    proportional_hazards: true\n", "    proportional_hazards: true\n    strata: [diabetes]\n"
    )
    assert "a stratum and a covariate at once" in refused(both).en
    load_protocol(with_strata.replace("strata: [age]", "strata: [diabetes, site_id]"))


def test_a_series_of_successes_is_not_borrowed_for_a_criterion_of_failures():
    at = TEXT.index("method: borrowing")
    turned = TEXT[:at] + TEXT[at:].replace("direction: at_least", "direction: at_most", 1)
    assert "the series publishes successes" in refused(turned).en


@pytest.mark.parametrize(
    "days", ["0.5", "true", "yes", ".inf", ".nan", "-1", "36526", "1" + "0" * 400, "[365]"]
)
@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("    tau: 365\n", "    tau: {}\n", "tau"),
        ("horizon: {day: 365, window: 14}", "horizon: {{day: {}, window: 14}}", "horizon.day"),
        ("horizon: {day: 365, window: 14}", "horizon: {{day: 365, window: {}}}", "horizon.window"),
        ("    horizon_day: 365\n", "    horizon_day: {}\n", "horizon_day"),
        ("days: [30, 90, 180, 365]", "days: [30, {}]", "days[1]"),
        ("    until: 365\n", "    until: {}\n", "until"),
    ],
)
def test_every_count_of_days_is_a_whole_number_within_a_hundred_years(old, new, place, days):
    """A count that no follow-up has would only fail later, in the middle of a run, or never."""
    error = refused(changed(old, new.format(days)))
    assert error.details["path"].endswith(place) and "（第 " in error.zh
    assert not re.search(r"\b(True|inf|nan|None|object at)\b", error.en)


@pytest.mark.parametrize(
    ("old", "new", "near"),
    [
        ("    aggregate: trial_abroad\n", "    aggregate: trial_abrod\n", "trial_abroad"),
        ("    of: all.weighted\n", "    of: all.weigted\n", "all.weighted"),
        ("    of: all.criterion\n", "    of: all.criterium\n", "all.criterion"),
        ("compares: [all.crude, all.adjusted, all.rmst]", "compares: [all.crude, all.rmts]", "all.rmst"),
        ("{name: diabetes, mean: 0.3916666667}", "{name: diabtes, mean: 0.3916666667}", "diabetes"),
    ],
)
def test_a_slip_of_the_finger_is_answered_with_the_name_that_was_meant(old, new, near):
    error = refused(changed(old, new))
    assert f"did you mean {near}? Defined: " in error.en and f"是否想写 {near}？已定义：" in error.zh


def test_of_many_names_ten_are_listed_and_the_rest_counted():
    known = [f"c{number}" for number in range(25)]
    zh, en = among("zzz", known)
    assert zh == f"（已定义：{'、'.join(known[:10])} 等 25 个）" and en.endswith("c9 and 15 more)")
    assert (
        among("c7", known)[1].startswith(" (did you mean c7?") and among("x", ())[1] == " (none is defined)"
    )


def test_what_was_written_is_repeated_in_one_short_line():
    """A name of a thousand letters, or with line ends in it, does not fill the screen."""
    assert printed("a\nb\x1b[0m") == "a?b?[0m" and len(printed("x" * 1000)) == 61
    long = "x" * 5000
    error = refused(changed("    population: all\n    tau", f"    population: {long}\n    tau"))
    assert len(error.en) < 400


def test_a_code_list_that_is_not_there_is_answered_with_the_lists_that_are():
    error = refused(
        TEXT.replace(
            'codes: {system: "http://hl7.org/fhir/sid/icd-10", any_of: [I35.0]}',
            "codes: {list: mastectmy@1}",
            1,
        )
    )
    assert "did you mean mastectomy@1?" in error.en and "是否想写 mastectomy@1？" in error.zh
    assert "breast-cancer@1" in error.en
