"""Packs of one family follow each other in time: every day has one, and no day has two."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance.decide import PREDICATES
from rwd_platform.compliance.pins import FOLDER, PINS
from rwd_platform.compliance.rulepack import RulePack, load_pack
from rwd_platform.compliance.series import (
    FAMILIES,
    Head,
    adopted_scenarios,
    check_joined,
    pack_in_force,
    series,
    shipped_heads,
)
from rwd_platform.compliance.zone_list import ZoneList
from rwd_platform.core.errors import PlatformError
from tests.compliance.test_pins import pin

DAY = timedelta(days=1)
NATIONAL = "national-2026.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "rulepacks")
    return tmp_path / "rulepacks"


def second_edition(folder: Path, since: str, *, until: str = "") -> None:
    """The national pack ends on `until`, and another one begins on `since`."""
    text = (folder / NATIONAL).read_text("utf-8")
    line = "effective_from = 2024-03-22"
    assert line in text
    later = text.replace(line, f"effective_from = {since}").replace('"2026.1"', '"2027.1"')
    (folder / "national-2027.toml").write_text(later, "utf-8")
    if until:
        (folder / NATIONAL).write_text(text.replace(line, f"{line}\neffective_until = {until}"), "utf-8")
    pin(folder)


def refused(**asked: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        pack_in_force(**asked)
    return caught.value


# -- scenarios of a list that somebody adopted --------------------------------------------------------------------


def adopt(folder: Path, *, adopted: str = "true", scenarios: str = '["medicine-1"]') -> Path:
    """The Hainan list as if a person had adopted it; it applies from 2025-02-19 on."""
    path = folder / "hainan-2024.toml"
    text = path.read_text("utf-8")
    for line, new in (
        ("adopted = false", f"adopted = {adopted}"),
        ("scenarios = []", f"scenarios = {scenarios}"),
    ):
        assert text.count(line) == 1
        text = text.replace(line, new)
    path.write_text(text, "utf-8")
    pin(folder)
    return folder


def test_the_shipped_list_is_adopted_by_nobody_and_has_no_scenario() -> None:
    assert adopted_scenarios(date(2026, 11, 2)) == frozenset()


@pytest.mark.parametrize(
    ("on", "stated", "found"),
    [
        ("2025-02-18", {}, set()),  # before the list applies there is none to lean on
        ("2025-02-19", {}, {"medicine-1"}),
        ("2026-11-02", {"scenarios": '["medicine-1", "devices"]'}, {"medicine-1", "devices"}),
        ("2026-11-02", {"adopted": "false"}, set()),
        ("2026-11-02", {"scenarios": "[]"}, set()),
    ],
)
def test_a_list_gives_its_scenarios_from_its_day_on_once_it_is_adopted(
    folder: Path, on: str, stated: dict[str, str], found: set[str]
) -> None:
    assert adopted_scenarios(date.fromisoformat(on), adopt(folder, **stated)) == found


def test_a_list_that_is_not_the_pinned_one_gives_no_scenario_but_an_error(folder: Path) -> None:
    path = folder / "hainan-2024.toml"
    path.write_text(path.read_text("utf-8").replace("adopted = false", "adopted = true"), "utf-8")
    with pytest.raises(PlatformError):
        adopted_scenarios(date(2026, 11, 2), folder)


# -- the shipped families -----------------------------------------------------------------------------------------


def test_every_shipped_family_joins_and_every_pack_is_of_one() -> None:
    """The committed packs leave no gap and no overlap, and none is of a family that nobody asks."""
    assert {head.family for head in shipped_heads()} == set(FAMILIES)
    for family in FAMILIES:
        assert series(family)


IN_FORCE = [
    ("national", "2024-03-22", "national", "2026.1"),
    ("national", "2099-12-31", "national", "2026.1"),
    ("genetic_resources", "2023-07-01", "genetic-resources", "2023.1"),
    ("genetic_resources", "2024-04-30", "genetic-resources", "2023.1"),
    ("genetic_resources", "2024-05-01", "genetic-resources", "2024.1"),
    ("hainan", "2025-02-19", "hainan", "2024.1"),
    ("inbound", "2025-04-08", "inbound", "2025.1"),
]


@pytest.mark.parametrize(("family", "on", "id", "version"), IN_FORCE)
def test_the_day_picks_the_pack(family: Any, on: str, id: str, version: str) -> None:
    """The first and the last day of a pack belong to it."""
    pack = pack_in_force(family, date.fromisoformat(on))
    assert (pack.id, pack.version) == (id, version)
    assert isinstance(pack, ZoneList if family == "hainan" else RulePack)


@pytest.mark.parametrize(
    ("family", "on"),
    [
        ("national", "2024-03-21"),
        ("genetic_resources", "2023-06-30"),
        ("hainan", "2025-02-18"),
        ("inbound", "2025-04-07"),
    ],
)
def test_a_day_before_the_first_pack_has_none(family: str, on: str) -> None:
    """An earlier day needs the rules of its time, which are not at hand; nothing later stands in for them."""
    error = refused(family=family, on=date.fromisoformat(on))
    assert (error.code, error.exit) == ("transfer.no_pack_on", 2)
    for text in (error.zh, error.en):
        assert family in text and on in text


def test_the_pack_of_the_day_is_the_one_that_its_name_loads() -> None:
    """By day or by name, it is the same file with the same hash, and it knows the rules that the code knows."""
    pack = pack_in_force("national", date(2026, 11, 23))
    assert pack == load_pack("national-2026")
    assert tuple(rule.id for rule in pack.rules) == tuple(PREDICATES)


@pytest.mark.parametrize("family", ["", "National", "beijing", "national-2026", "../national", "hainan\x00"])
def test_a_family_that_nobody_knows_is_said_with_those_that_are(family: str) -> None:
    """A misspelt family must not come back as "no rules apply"."""
    error = refused(family=family, on=date(2026, 1, 1))
    assert error.code == "transfer.no_such_family"
    assert "genetic_resources" in error.next_en and "genetic_resources" in error.next_zh


# -- two editions -------------------------------------------------------------------------------------------------


def test_two_editions_that_join_pick_by_the_day(folder: Path) -> None:
    """The old one up to and on its last day, the new one from the next."""
    second_edition(folder, "2027-01-01", until="2026-12-31")
    assert pack_in_force("national", date(2026, 12, 31), folder).version == "2026.1"
    assert pack_in_force("national", date(2027, 1, 1), folder).version == "2027.1"


def test_a_gap_names_both_packs_and_its_days(folder: Path) -> None:
    """Also for a day that has a pack: a family with a hole in it picks nothing."""
    second_edition(folder, "2027-01-04", until="2026-12-31")
    error = refused(family="national", on=date(2026, 1, 1), folder=folder)
    assert (error.code, error.exit) == ("transfer.packs_gap", 3)
    for text in (error.zh, error.en):
        for detail in ("national-2026", "national-2027", "2027-01-01", "2027-01-03"):
            assert detail in text


@pytest.mark.parametrize("until", ["", "2027-01-04", "2030-01-01"])
def test_an_overlap_names_both_packs_and_its_first_day(folder: Path, until: str) -> None:
    """One that has no end yet, one that ends on the day the next begins, and one that ends long after it."""
    second_edition(folder, "2027-01-04", until=until)
    error = refused(family="national", on=date(2026, 1, 1), folder=folder)
    assert (error.code, error.exit) == ("transfer.packs_overlap", 3)
    for text in (error.zh, error.en):
        for detail in ("national-2026", "national-2027", "2027-01-04"):
            assert detail in text


def test_a_family_that_has_ended_has_no_pack_after_its_last_day(folder: Path) -> None:
    """The error says until when there was one."""
    text = (folder / NATIONAL).read_text("utf-8")
    line = "effective_from = 2024-03-22"
    (folder / NATIONAL).write_text(text.replace(line, f"{line}\neffective_until = 2026-12-31"), "utf-8")
    pin(folder)
    assert pack_in_force("national", date(2026, 12, 31), folder).effective_until == date(2026, 12, 31)
    error = refused(family="national", on=date(2027, 1, 1), folder=folder)
    assert error.code == "transfer.no_pack_on" and "2026-12-31" in error.en


def test_a_hole_in_one_family_is_no_hole_in_another(folder: Path) -> None:
    """The genetic-resources packs still decide while the national ones overlap."""
    second_edition(folder, "2027-01-04")
    assert pack_in_force("genetic_resources", date(2026, 1, 1), folder).version == "2024.1"


def test_an_edited_pack_stops_its_folder(folder: Path) -> None:
    """No family picks anything while a shipped file is not what its pin says."""
    path = folder / "inbound-2025.toml"
    path.write_text(path.read_text("utf-8").replace("10_000", "90_000"), "utf-8")
    assert refused(family="national", on=date(2026, 1, 1), folder=folder).code == "transfer.pack_edited"


def test_a_folder_without_a_pack_of_the_family_says_so(tmp_path: Path) -> None:
    """An empty folder has no family at all."""
    (tmp_path / PINS).write_text("", "utf-8")
    refusal = refused(family="national", on=date(2026, 1, 1), folder=tmp_path)
    assert refusal.code == "transfer.no_such_family"


SPOILT = {
    "no family": ('family = "national"\n', ""),
    "an unknown family": ('family = "national"', 'family = "beijing"'),
    "a family that is no text": ('family = "national"', 'family = ["national"]'),
    "no first day": ("effective_from = 2024-03-22 #", "#"),
    "a last day before the first": (
        "effective_from = 2024-03-22",
        "effective_until = 2024-03-21\neffective_from = 2024-03-22",
    ),
    "a last day with a time": (
        "effective_from = 2024-03-22",
        "effective_until = 2027-01-01T00:00:00Z\neffective_from = 2024-03-22",
    ),
    "a last day that is a text": (
        "effective_from = 2024-03-22",
        'effective_until = "2027-01-01"\neffective_from = 2024-03-22',
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_pack_whose_top_is_wrong_is_refused_by_day_and_by_path(folder: Path, spoilt: str) -> None:
    """Correctly pinned, and still no pack."""
    old, new = SPOILT[spoilt]
    text = (folder / NATIONAL).read_text("utf-8")
    assert old in text
    (folder / NATIONAL).write_text(text.replace(old, new, 1), "utf-8")
    pin(folder)
    assert refused(family="national", on=date(2026, 1, 1), folder=folder).code == "transfer.pack_malformed"
    with pytest.raises(PlatformError) as caught:
        load_pack(folder / NATIONAL)
    assert (caught.value.code, caught.value.exit) == ("transfer.pack_malformed", 2)


# -- for every series ---------------------------------------------------------------------------------------------


def joined(first: date, lengths: list[int], *, open_end: bool) -> list[Head]:
    heads = []
    for place, length in enumerate(lengths):
        last = first + (length - 1) * DAY
        is_open = open_end and place == len(lengths) - 1
        heads.append(Head(f"pack-{place}", "national", first, None if is_open else last))
        first = last + DAY
    return heads


lengths = st.lists(st.integers(1, 400), min_size=1, max_size=6)
starts = st.dates(date(2000, 1, 1), date(2030, 1, 1))


@settings(max_examples=60, deadline=None)
@given(starts, lengths, st.booleans(), st.integers(0, 2400), st.randoms(use_true_random=False))
def test_in_a_joined_series_every_day_has_exactly_one_pack(
    first: date, sizes: list[int], open_end: bool, later: int, random: Any
) -> None:
    """From the first day to the last one, or for ever; in whatever order the files are listed."""
    heads = joined(first, sizes, open_end=open_end)
    ordered = check_joined(random.sample(heads, len(heads)))
    assert list(ordered) == heads
    day = first + later * DAY
    inside = open_end or later < sum(sizes)
    assert sum(head.applies_on(day) for head in ordered) == (1 if inside else 0)
    assert not any(head.applies_on(first - DAY) for head in ordered)


@settings(max_examples=60, deadline=None)
@given(starts, st.lists(st.integers(2, 400), min_size=2, max_size=6), st.data())
def test_a_series_that_does_not_join_is_refused_wherever_it_breaks(
    first: date, sizes: list[int], data: st.DataObject
) -> None:
    """One pack that ends a day early leaves a gap; one that ends a day late overlaps the next."""
    heads = joined(first, sizes, open_end=data.draw(st.booleans()))
    place = data.draw(st.integers(0, len(heads) - 2))
    late = data.draw(st.booleans())
    broken = heads[place]
    assert broken.effective_until is not None
    moved = broken.effective_until + (DAY if late else -DAY)
    heads[place] = Head(broken.name, broken.family, broken.effective_from, moved)
    with pytest.raises(PlatformError) as caught:
        check_joined(heads)
    assert caught.value.code == ("transfer.packs_overlap" if late else "transfer.packs_gap")
    assert broken.name in caught.value.en and heads[place + 1].name in caught.value.en


def test_two_packs_from_the_same_day_overlap() -> None:
    """Also where one of them is a single day."""
    day = date(2026, 1, 1)
    for until in (day, None):
        with pytest.raises(PlatformError, match=r"transfer\.packs_overlap"):
            check_joined([Head("a", "national", day, until), Head("b", "national", day, None)])


def test_the_last_day_of_the_calendar_is_a_day_like_any_other() -> None:
    """A pack that ends with the year 9999 is not followed, and nothing overflows."""
    assert check_joined([Head("a", "national", date(2026, 1, 1), date.max)])[0].applies_on(date.max)
