"""A case is read strictly: whatever is unknown, missing or impossible is named, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from rwd_platform.compliance.case import read_case
from rwd_platform.core.errors import PlatformError
from tests.compliance.test_decide import CASES, FLAGS, WORDS, case_with


def refused(case: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        read_case(case)
    assert caught.value.exit == 2
    return caught.value


def paths(case: dict[str, Any], before: str = "") -> list[str]:
    found = []
    for key, value in case.items():
        found.append(f"{before}{key}")
        if isinstance(value, dict):
            found += paths(value, f"{before}{key}.")
    return found


def without(path: str) -> dict[str, Any]:
    case = case_with({})
    *sections, key = path.split(".")
    inner = case
    for section in sections:
        inner = inner[section]
    del inner[key]
    return case


@pytest.mark.parametrize("path", paths(CASES["base"]))
def test_an_absent_key_is_named(path: str) -> None:
    """Every fact must be there; "not known" is a value, absence is not."""
    error = refused(without(path))
    assert error.code == "transfer.missing_key"
    assert path in error.en and path in error.zh


@pytest.mark.parametrize(
    "section", ["", *sorted({path.rpartition(".")[0] for path in FLAGS} - {""}), "persons.sensitive"]
)
def test_an_unknown_key_is_named_wherever_it_stands(section: str) -> None:
    """A misspelt fact would otherwise be silently ignored."""
    path = f"{section}.ciioo" if section else "ciioo"
    error = refused(case_with({path: True}))
    assert error.code == "transfer.unknown_key"
    assert path in error.en


def test_a_misspelt_key_is_called_unknown_rather_than_missing() -> None:
    """The person sees the word they wrote, which is the word to correct."""
    case = without("exporter.ciio")
    case["exporter"]["CIIO"] = "no"
    assert "exporter.CIIO" in refused(case).en


@pytest.mark.parametrize("path", FLAGS)
@pytest.mark.parametrize("value", ["true", 1, 0, None, [], "yes"])
def test_a_flag_is_true_or_false_and_nothing_like_it(path: str, value: Any) -> None:
    """1, "true" and null are not booleans: a truthy text must not become consent."""
    error = refused(case_with({path: value}))
    assert error.code == "transfer.bad_value"
    assert path in error.en


@pytest.mark.parametrize("path", [path for path in WORDS if not path.endswith((".id", "valid_until"))])
@pytest.mark.parametrize("value", ["YES", "", "maybe", 1, True, ["no"], {"is": "no"}])
def test_a_word_comes_from_the_vocabulary(path: str, value: Any) -> None:
    """Values outside the list are refused and shown beside those that are allowed."""
    error = refused(case_with({path: value}))
    assert error.code == "transfer.bad_value"
    assert path in error.en and "|" in error.en


@pytest.mark.parametrize(
    "value",
    ["2026-02-30", "20261102", "2026-W01-1", "2026-11-02T00:00:00Z", "", None, 20261102, "２０２６-11-02"],
)
def test_the_day_is_a_calendar_day(value: Any) -> None:
    """Days are written YYYY-MM-DD, in the calendar of Asia/Shanghai, and exist."""
    assert "on" in refused(case_with({"on": value})).en


@pytest.mark.parametrize("value", [-1, 1.0, "5", True, None, float("nan")])
@pytest.mark.parametrize(
    "path",
    ["persons.sensitive.count", "ledger_this_year.general_only.first_key", "data.exome_genome_persons"],
)
def test_a_count_is_a_whole_number(path: str, value: Any) -> None:
    """Neither fractions nor negative persons; true is not one person."""
    assert path in refused(case_with({path: value})).en


@pytest.mark.parametrize("value", [10**10 + 1, 2**53, 2**63, 10**5000], ids=lambda value: value.bit_length())
def test_a_count_is_of_persons_that_there_are(value: int) -> None:
    """Ten thousand million is the most; what is beyond could not be written as JSON, let alone be counted."""
    error = refused(case_with({"persons.sensitive.count": value}))
    assert error.code == "transfer.bad_value" and "persons.sensitive.count" in error.en
    assert "10,000,000,000" in error.en and len(error.en) < 300
    assert read_case(case_with({"persons.sensitive.count": 10**10})).transfer.sensitive.count == 10**10


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "x" * 201, " ", "a\nb"])
def test_a_name_can_be_kept_and_printed(name: str) -> None:
    error = refused(case_with({"free_trade_zone_pack.id": name}))
    assert "free_trade_zone_pack.id" in error.en and error.en.isprintable()


def test_a_list_that_names_the_data_must_name_the_route() -> None:
    """A zone's list without its route would leave the decision to a guess."""
    error = refused(case_with({"free_trade_zone_pack.id": "zone", "free_trade_zone_pack.listed": "yes"}))
    assert "free_trade_zone_pack.route_if_listed" in error.en


@pytest.mark.parametrize("case", [[], None, "case", 5, {"exporter": []}, {}])
def test_what_is_no_case_at_all_is_refused(case: Any) -> None:
    """A list, a text or an empty object is an error with a next step, not a traceback."""
    refused(case)


@pytest.mark.parametrize("key", ["", "exporter.ciio", "\ud800", "x" * 5000, "{0}", "{key}"])
def test_a_hostile_key_is_refused_and_can_be_printed(key: str) -> None:
    """Whatever the key is made of, the message can be written to a terminal and stays short."""
    error = refused({**case_with({}), key: True})
    assert len(error.en.encode()) < 1000


def test_a_hostile_value_is_shortened() -> None:
    """An error shows the value, but never a page of it."""
    assert len(refused(case_with({"exporter.ciio": "x" * 100_000})).en) < 300


@pytest.mark.parametrize(
    ("kind", "until", "in_force"),
    [
        ("STANDARD_CONTRACT", None, True),
        ("SECURITY_ASSESSMENT", None, True),
        ("CERTIFICATION", None, True),
        ("SECURITY_ASSESSMENT", "2026-11-02", True),
        ("CERTIFICATION", "2026-11-01", False),
        (None, None, False),
    ],
)
def test_a_mechanism_serves_to_its_last_day_and_without_one_has_no_end(
    kind: str | None, until: str | None, in_force: bool
) -> None:
    """`null` is no end, as the list of facts says; what is on file is held to more (compliance/instruments.toml)."""
    case = case_with({"mechanism_in_force.kind": kind, "mechanism_in_force.valid_until": until})
    assert read_case(case).mechanism_is_valid is in_force
