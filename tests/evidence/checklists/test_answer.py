"""Answers against a real package: what is said to be there is there, and what is taken away is missed."""

from __future__ import annotations

import dataclasses

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.answer import Answered, answer, blocking
from studies.evidence.checklists.looking import Found, look
from studies.evidence.checklists.package_view import PackageView
from studies.evidence.checklists.reader import CHECKLISTS, checklist, every_checklist, shared
from studies.evidence.package import BuiltPackage
from studies.evidence.profiles.conditions import WITHHELD_HERE
from studies.protocol import load_protocol
from tests.evidence.checklists.views import view_of, with_files, with_json
from tests.evidence.fixtures import PROTOCOL

ALL_SAID = dict.fromkeys(shared().statements, Bilingual("已写明", "stated"))


@pytest.fixture(scope="module")
def view(package: BuiltPackage) -> PackageView:
    return view_of(package.folder)


def statuses(answered: Answered) -> dict[str, str]:
    return {one.item.id: one.status for one in answered.items}


@pytest.mark.parametrize("id", CHECKLISTS)
def test_every_place_that_answers_is_really_there(view: PackageView, id: str) -> None:
    answered = answer(checklist(id), view, ALL_SAID)
    assert [one.item for one in answered.items] == list(checklist(id).items)
    for one in answered.items:
        for place in one.places:
            assert place.statement or (view.files.get(place.file) or b"").strip(), (id, one.item.id, place)
            assert place.says.zh and place.says.en
        if one.status == "answered":
            assert one.places and not one.lacks


@pytest.mark.parametrize("id", ["TARGET", "STROBE", "RECORD-PE", "DataSAT", "CN-2021-27", "CN-2023"])
def test_a_file_that_is_gone_is_missed_by_exactly_the_items_that_rest_on_it(
    view: PackageView, id: str
) -> None:
    """Every file in turn that the checklist looks at. A file that decides whether an item applies is left alone."""
    one = checklist(id)
    before = statuses(answer(one, view, ALL_SAID))
    files = {place.file for item in one.items for place in item.answered_by} & set(view.files)
    assert files
    for file in sorted(files):
        without = with_files(view, {file: None})
        after = statuses(answer(one, without, ALL_SAID))
        resting = {
            item.id
            for item in one.items
            if before[item.id] == "answered"
            and any(place.file == file for place in item.answered_by)
            and item.otherwise is None
        }
        changed = {name for name in before if before[name] != after[name]}
        applies = {item.id for item in one.items if item.not_applicable}
        assert changed - applies == resting - applies, file
        assert {after[name] for name in resting - applies} <= {"missing"}


def test_what_nobody_stated_waits_for_a_statement_and_a_blank_one_is_none(view: PackageView) -> None:
    one = checklist("STROBE")
    nothing, blank, all_said = (
        answer(one, view, said) for said in ({}, dict.fromkeys(ALL_SAID, Bilingual("  ", "  ")), ALL_SAID)
    )
    assert nothing.counts == blank.counts and nothing.counts["needs_statement"] > 0
    assert all_said.counts["needs_statement"] == 0
    waiting = [each for each in nothing.items if each.status == "needs_statement"]
    assert all(lack.statement and lack.who.zh and lack.next.en for each in waiting for lack in each.lacks)


def test_the_mandatory_items_that_nothing_answers_block_and_the_others_do_not(view: PackageView) -> None:
    answered = [answer(one, view, {}) for one in every_checklist()]
    stopped = blocking(answered)
    assert stopped
    for one in stopped:
        (item,) = (each for each in checklist(one.checklist).items if each.id == one.item)
        assert item.mandatory and one.lacks and one.asks == item.asks
    expected = sum(
        each.item.mandatory and each.status in ("needs_statement", "missing")
        for one in answered
        for each in one.items
    )
    assert len(stopped) == expected


def test_a_checklist_that_does_not_apply_asks_nothing_and_says_why(view: PackageView) -> None:
    answered = answer(checklist("CHEERS"), view, {})
    assert not answered.applies and answered.counts["not_applicable"] == 28
    assert all(one.reason and one.reason.zh for one in answered.items) and not blocking([answered])


def test_devices_are_asked_of_a_study_of_devices(view: PackageView) -> None:
    valve = load_protocol(PROTOCOL.with_name("valve.yaml").read_text(encoding="utf-8"))
    device = dataclasses.replace(view, protocol=valve)
    assert answer(checklist("CN-2020-77"), device, {}).applies
    assert not answer(checklist("CN-2020-77"), view, {}).applies
    assert (
        answer(checklist("RECORD-PE"), view, {}).applies
        and not answer(checklist("RECORD-PE"), device, {}).applies
    )


def test_economics_are_asked_once_there_are_results_of_them(view: PackageView) -> None:
    with_costs = with_files(view, {"data/05_results/economics.json": b"{}"})
    assert answer(checklist("CHEERS"), with_costs, {}).applies


def test_an_emptied_question_of_the_protocol_is_missed_by_its_items(view: PackageView) -> None:
    def empty(document: dict[str, object]) -> None:
        document["question"] = {"zh": " ", "en": ""}

    path = "data/01_protocol/protocol.json"
    before = statuses(answer(checklist("TARGET"), view, ALL_SAID))
    after = statuses(answer(checklist("TARGET"), with_json(view, path, empty), ALL_SAID))
    changed = {id for id in before if before[id] != after[id]}
    resting = {
        item.id
        for item in checklist("TARGET").items
        if any(one.pointer == "/question" for one in item.answered_by)
    }
    assert changed == resting != set()


def test_an_aggregate_package_is_not_asked_for_what_it_may_not_hold(view: PackageView) -> None:
    """The trace to a patient's source lines, say; each of these items says why it is not asked."""
    aggregate, asked = dataclasses.replace(view, audience="aggregate"), 0
    for one in every_checklist():
        found = {each.item.id: each for each in answer(one, aggregate, {}).items}
        for item in one.items:
            if item.not_applicable[:1] == ("aggregate",) and answer(one, aggregate, {}).applies:
                asked += 1
                assert found[item.id].status == "not_applicable"
                assert found[item.id].reason == shared().reasons["aggregate"]
    assert asked or "aggregate" not in shared().reasons


def test_a_hostile_statement_is_kept_as_words(view: PackageView) -> None:
    words = "<script>alert(1)</script>"
    answered = answer(checklist("STROBE"), view, {**ALL_SAID, "funding": Bilingual(words, words)})
    said = [place.says.zh for one in answered.items for place in one.places if place.statement == "funding"]
    assert said and set(said) == {words}


def test_the_places_that_the_fixture_s_package_answers_are_many(view: PackageView) -> None:
    """So that a place whose file or pointer was mistyped cannot hide behind "missing"."""
    seen = {id: look(place, view) for id, place in shared().places.items()}
    unfound = sorted(id for id, one in seen.items() if not isinstance(one, Found))
    assert len(unfound) < len(seen) / 2, unfound


WHY = Bilingual("该项在本研究中没有记录。", "This study keeps no record of it.")


def lacking_one(view: PackageView) -> tuple[str, str]:
    """A mandatory item of the fixture's package that nothing answers."""
    for one in every_checklist():
        for each in answer(one, view, ALL_SAID).items:
            if each.status == "missing" and each.item.mandatory:
                return one.id, each.item.id
    raise AssertionError("the fixture answers everything")


def test_a_reason_explains_an_item_without_an_answer_and_lets_the_package_be_made(view: PackageView) -> None:
    list_id, item_id = lacking_one(view)
    before = answer(checklist(list_id), view, ALL_SAID)
    after = answer(checklist(list_id), view, ALL_SAID | {f"{list_id}.{item_id}": WHY})
    changed = [(old, new) for old, new in zip(before.items, after.items, strict=True) if old != new]
    ((old, new),) = changed
    assert new.item.id == item_id and new.status == "explained" and new.reason == WHY
    assert (new.lacks, new.places) == (old.lacks, old.places), "what is not there is still named"
    assert after.counts["explained"] == 1 and after.counts["missing"] == before.counts["missing"] - 1
    assert item_id in {one.item for one in blocking([before])}
    assert item_id not in {one.item for one in blocking([after])}


def test_an_answer_makes_a_reason_void_and_nothing_is_explained_that_is_there(view: PackageView) -> None:
    """A reason for every item of every list: those that are answered or do not apply stay as they are."""
    for one in every_checklist():
        reasons = {f"{one.id}.{item.id}": WHY for item in one.items}
        before, after = (answer(one, view, said) for said in (ALL_SAID, ALL_SAID | reasons))
        for old, new in zip(before.items, after.items, strict=True):
            if old.status in ("answered", "not_applicable"):
                assert new == old
            else:
                assert (new.status, new.reason) == ("explained", WHY)
        assert blocking([after]) == []


def test_a_reason_explains_what_nobody_stated_too(view: PackageView) -> None:
    one = checklist("STROBE")
    waiting = {each.item.id for each in answer(one, view, {}).items if each.status == "needs_statement"}
    after = statuses(answer(one, view, {f"STROBE.{id}": WHY for id in waiting}))
    assert waiting and {after[id] for id in waiting} == {"explained"}


@pytest.mark.parametrize("blank", ["", "  ", "\n", "\u3000"])
def test_a_blank_reason_is_none(view: PackageView, blank: str) -> None:
    list_id, item_id = lacking_one(view)
    said = ALL_SAID | {f"{list_id}.{item_id}": Bilingual(blank, blank)}
    assert statuses(answer(checklist(list_id), view, said))[item_id] == "missing"


def test_a_reason_for_the_item_of_another_list_explains_nothing(view: PackageView) -> None:
    list_id, item_id = lacking_one(view)
    others = {f"{id}.{item_id}": WHY for id in CHECKLISTS if id != list_id} | {item_id: WHY}
    assert statuses(answer(checklist(list_id), view, ALL_SAID | others))[item_id] == "missing"


def test_results_withheld_from_an_aggregate_package_are_not_asked_of_it(view: PackageView) -> None:
    """Every results file gone: with results withheld each item that rests on them alone says so; else it is missed."""
    gone = {path: None for path in view.files if path.startswith("data/05_results/")}
    bare = dataclasses.replace(with_files(view, gone), audience="aggregate")
    withheld = dataclasses.replace(bare, withheld=True)
    seen = 0
    for one in every_checklist():
        told, hidden = (answer(one, some, ALL_SAID).items for some in (bare, withheld))
        for old, new in zip(told, hidden, strict=True):
            of_results = {
                lack.file.startswith(("data/05_results/", "data/06_report/report.json")) for lack in old.lacks
            }
            if of_results == {True}:
                seen += 1
                assert (new.status, new.reason) == ("not_applicable", WITHHELD_HERE)
            else:
                assert new == old
    assert seen > 3


def test_what_people_have_to_say_is_asked_whatever_is_withheld(view: PackageView) -> None:
    withheld = dataclasses.replace(view, audience="aggregate", withheld=True)
    for one in every_checklist():
        for each in answer(one, withheld, {}).items:
            if any(lack.statement for lack in each.lacks):
                assert each.status in ("needs_statement", "missing"), each.item.id
