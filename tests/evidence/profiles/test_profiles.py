"""The nine purposes as data: what the shipped files say, and what a file may not say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.checklists.reader import CHECKLISTS as BUILT
from studies.evidence.profiles import profile as module
from studies.evidence.profiles.conditions import CONDITIONS
from studies.evidence.profiles.profile import (
    CHECKLISTS,
    load_profile,
    profile,
    profiles,
    shared_parts,
)

PURPOSES = Path(module.__file__).parent / "purposes"
HAN = re.compile(r"[一-鿿]")
SMALL = """\
format_version: 1
id: trial
title: {zh: 试, en: trial}
reader: {zh: 读者, en: reader}
products: [drug]
audience: authority
tiers: [T0]
checklists: []
says:
  - {zh: 一句, en: a sentence}
statements:
  - id: gap
    asks: {zh: 哪一处, en: which}
    characters: [5, 50]
parts:
  - use: protocol
  - id: gap
    title: {zh: 空白, en: gap}
    need: always
    statement: gap
    who: {actor: sponsor, next: {zh: 写, en: write}}
"""


def test_there_is_a_profile_for_each_purpose_of_the_issue_and_each_is_named_as_its_file() -> None:
    assert sorted(profiles()) == [
        "award", "commercial", "indication", "nhsa", "post_market", "pre_communication",
        "reg_device", "reg_drug", "special_food",
    ]  # fmt: skip
    assert sorted(path.stem for path in PURPOSES.glob("*.yaml")) == sorted(profiles())


@pytest.mark.parametrize("id", sorted(path.stem for path in PURPOSES.glob("*.yaml")))
def test_every_text_of_a_profile_is_in_both_languages(id: str) -> None:
    one = profile(id)
    texts = [one.title, one.reader, *one.says]
    for statement in one.statements:
        texts += [statement.asks, *(statement.choices or {}).values()]
    for part in one.parts:
        texts += [part.title, part.who.next, *filter(None, (part.place, part.otherwise))]
    for text in texts:
        assert HAN.search(text.zh) and not HAN.search(text.en), text


@pytest.mark.parametrize("id", sorted(path.stem for path in PURPOSES.glob("*.yaml")))
def test_a_profile_says_what_it_is_not(id: str) -> None:
    """Each supports a decision of somebody else's, or withholds something, in so many words."""
    words = " ".join(one.en for one in profile(id).says)
    assert re.search(r"\b(not|no|alone)\b", words) and "compl" not in words


@pytest.mark.parametrize("id", sorted(path.stem for path in PURPOSES.glob("*.yaml")))
def test_every_profile_rests_on_a_frozen_protocol_the_log_s_proofs_and_a_signature(id: str) -> None:
    parts = {part.id: part for part in profile(id).parts}
    assert parts["protocol"].need == "always"
    if id != "pre_communication":  # nothing is signed before there are results
        assert parts["log"].need == parts["signoff"].need == "always"


@pytest.mark.parametrize("id", sorted(path.stem for path in PURPOSES.glob("*.yaml")))
def test_what_goes_to_no_authority_holds_no_rows_of_patients(id: str) -> None:
    one = profile(id)
    files = {file for part in one.parts for file in part.files}
    if one.audience == "aggregate":
        assert set(one.tiers) <= {"T0", "T1"}
        assert not [name for name in files if "lineage" in name or "row_sets" in name or "03_data" in name]
    else:
        assert "data/08_trace/lineage.csv.gz" in files


def test_a_place_in_somebody_else_s_dossier_is_marked_as_to_be_checked() -> None:
    """None was read in an official text here, so none may look as if it had been."""
    for one in profiles().values():
        assert [part.id for part in one.parts if part.place and not part.confirm] == []


def test_every_statement_has_a_place_where_it_is_printed_and_every_shared_part_a_user() -> None:
    used = set()
    for one in profiles().values():
        assert {part.statement for part in one.parts} - {""} == {each.id for each in one.statements}
        used |= {part.id for part in one.parts}
    assert set(shared_parts()) <= used
    assert {part.when for part in shared_parts().values()} - {""} <= set(CONDITIONS)


def test_no_two_parts_that_are_used_together_look_for_exactly_the_same_files() -> None:
    for one in profiles().values():
        looked = [part.files for part in one.parts if part.files]
        assert len(looked) == len(set(looked)), one.id


def test_a_checklist_is_one_of_the_known_ones_and_devices_and_drugs_differ() -> None:
    assert {name for one in profiles().values() for name in one.checklists} <= set(CHECKLISTS)
    assert set(CHECKLISTS) == set(BUILT), "what profiles may ask is what there is"
    assert "CN-2020-77" in profile("reg_device").checklists
    assert "CN-2020-77" not in profile("reg_drug").checklists


def test_the_priority_situations_are_the_eight_of_the_insurer() -> None:
    choices = profile("nhsa").statement("priority_situation").choices
    assert choices is not None and len(choices) == 8


def test_a_purpose_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(PlatformError, match=r"evidence\.profile_unknown") as refused:
        profile("x" * 5000)
    assert "reg_drug" in refused.value.next_en and len(refused.value.en) < 200


def test_the_smallest_profile_is_read() -> None:
    one = load_profile(SMALL)
    assert [part.id for part in one.parts] == ["protocol", "gap"]
    assert one.parts[0].files == shared_parts()["protocol"].files


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("format_version: 1", "format_version: 2", "format_version"),
        ("id: trial", "id: Trial", "id"),
        ("products: [drug]", "products: [drugs]", "products"),
        ("products: [drug]", "products: []", "products"),
        ("tiers: [T0]", "tiers: [T4]", "tiers"),
        ("tiers: [T0]", "tiers: [T0, T0]", "tiers"),
        ("audience: authority", "audience: public", "audience"),
        ("checklists: []", "checklists: [prisma]", "checklists"),
        ("{zh: 一句, en: a sentence}", "{zh: 一句}", "says"),
        ("characters: [5, 50]", "characters: [50, 5]", "characters"),
        ("characters: [5, 50]", "characters: [0, 5]", "characters"),
        ("characters: [5, 50]", "characters: [5]", "characters"),
        ("characters: [5, 50]", "length: 5", "length"),
        ("    statement: gap", "    statement: other", "statement"),
        ("    statement: gap\n", "", "parts"),
        ("    statement: gap", "    files: [../secret]", "files"),
        ("    statement: gap", "    files: [data/..]", "files"),
        ("    statement: gap", "    files: [data/../../etc/passwd]", "files"),
        ("    statement: gap", "    files: [/data/x/y]", "files"),
        ("    statement: gap", "    files: ['data/0[0]/x']", "files"),
        ("    need: always", "    need: if", "parts"),
        ("    need: always", "    need: sometimes", "need"),
        ("    need: always", "    need: always\n    when: devices", "parts"),
        ("actor: sponsor", "actor: minister", "actor"),
        ("use: protocol", "use: prptocol", "use"),
        ("use: protocol", "use: protocol\n    files: [data/00_index/x]", "files"),
        ("  - use: protocol", "  - use: protocol\n  - use: protocol", "parts"),
        ("parts:", "parts: []\nmore:", "more"),
    ],
)
def test_a_profile_that_is_wrong_is_refused_by_its_place(old: str, new: str, place: str) -> None:
    assert SMALL.count(old) >= 1
    with pytest.raises(PlatformError, match=r"protocol\.refused") as refused:
        load_profile(SMALL.replace(old, new, 1))
    assert place in refused.value.en


def test_a_statement_that_no_part_prints_is_refused() -> None:
    more = "  - {id: lost, asks: {zh: 无, en: none}, characters: [5, 9]}\nparts:"
    with pytest.raises(PlatformError, match="lost"):
        load_profile(SMALL.replace("parts:", more, 1))


@pytest.mark.parametrize("text", ["", "[]", "a: &x 1\nb: *x", "\x00", "format_version: 1", "- " * 40])
def test_what_is_no_profile_at_all_is_refused(text: str) -> None:
    with pytest.raises(PlatformError, match=r"protocol\.refused"):
        load_profile(text)
