"""A profile held against a package: found, not asked, left out or missing; and nothing that is gone counts as there."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.text import Bilingual
from studies.evidence.package import BuiltPackage
from studies.evidence.profiles.conditions import CONDITIONS, StudyFacts
from studies.evidence.profiles.dossier import WHO, Dossier, hold
from studies.evidence.profiles.profile import Profile, profile, profiles
from studies.protocol import load_protocol
from tests.evidence.fixtures import PROTOCOL, small_inputs
from tests.studies.rotterdam_lock import rotterdam_protocol

VALVE = PROTOCOL.with_name("valve.yaml")


def facts(tier: str = "T2", version: int = 1, tables: Collection[str] = ()) -> StudyFacts:
    inputs = small_inputs()
    return StudyFacts(inputs.protocol, inputs.results, frozenset(tables), tier, version)


def everything(one: Profile) -> set[str]:
    """A path for each pattern of the profile."""
    return {file.replace("*", "x") for part in one.parts for file in part.files}


def only(path: str, pattern: str, files: Collection[str]) -> bool:
    """Whether of all these files the pattern finds this one alone."""
    written = re.compile(re.escape(pattern).replace(r"\*", "[^/]*"))
    return [file for file in files if written.fullmatch(file)] == [path]


def said(one: Profile) -> dict[str, Bilingual]:
    words = {each.id: next(iter(each.choices or {}), "字" * each.least) for each in one.statements}
    return {id: Bilingual(text, text) for id, text in words.items()}


def status(dossier: Dossier) -> dict[str, str]:
    return {one.part.id: one.status for one in dossier.stands}


@pytest.mark.parametrize("id", sorted(profiles()))
def test_with_all_files_and_all_statements_nothing_is_missing(id: str) -> None:
    one = profile(id)
    held = hold(one, facts(), everything(one), said(one))
    assert held.missing == () and held.found == held.expected > 0
    assert [each.part for each in held.stands] == list(one.parts), "in the reader's order"


@pytest.mark.parametrize("id", sorted(profiles()))
def test_with_nothing_all_that_is_expected_is_missing_and_says_who_acts(id: str) -> None:
    one = profile(id)
    held = hold(one, facts(), (), {})
    assert held.found == 0 and {each.status for each in held.stands} <= {"missing", "not_asked", "left_out"}
    for stands in (one for one in held.as_dict()["parts"] if one["status"] == "missing"):
        assert stands["who"] in WHO and stands["next"]["zh"] and stands["next"]["en"]


@pytest.mark.parametrize("id", sorted(profiles()))
@settings(max_examples=30)
@given(data=st.data())
def test_a_file_that_is_gone_makes_exactly_the_parts_missing_that_look_for_it(
    id: str, data: st.DataObject
) -> None:
    one = profile(id)
    all_files = everything(one)
    gone = data.draw(st.sampled_from(sorted(all_files)))
    before, after = (status(hold(one, facts(), some, said(one))) for some in (all_files, all_files - {gone}))
    changed = {name for name in before if before[name] != after[name]}
    looking = {
        part.id
        for part in one.parts
        if before[part.id] == "found" and any(only(gone, pattern, all_files) for pattern in part.files)
    }
    assert changed == looking and {after[name] for name in changed} <= {"missing", "left_out"}


def test_a_star_reaches_over_no_slash_and_nothing_stands_in_for_a_name() -> None:
    one = profile("reg_drug")
    wrong = {
        name.replace("data/05_results/tables/x", "data/05_results/tables/sub/x") for name in everything(one)
    }
    assert status(hold(one, facts(), wrong, said(one)))["tables"] == "missing"
    longer = {f"{name}.bak" for name in everything(one)}
    assert hold(one, facts(), longer, said(one)).found == sum(bool(part.statement) for part in one.parts)


def test_the_package_of_today_holds_what_the_profile_s_own_files_ask_for(package: BuiltPackage) -> None:
    """On real paths, so that a pattern that never matches cannot hide: what is still missing is named here."""
    one = profile("reg_drug")
    held = hold(one, facts(), package.file_names, said(one))
    made_for_a_purpose = {
        "harper", "results_as_data", "synthetic_twin", "plain_summary", "governance", "missingness",
        "verification_sample", "sources",
    }  # fmt: skip
    assert {each.part.id for each in held.missing} <= made_for_a_purpose
    for each in held.stands:
        assert set(each.files) <= set(package.file_names)


def test_row_data_are_asked_for_where_the_tier_has_rows() -> None:
    one = profile("reg_drug")
    files = everything(one) - {"data/03_data/rows.p7m"}
    assert status(hold(one, facts("T2"), files, said(one)))["submission_data"] == "not_asked"
    assert status(hold(one, facts("T3"), files, said(one)))["submission_data"] == "missing"


def test_a_later_version_says_what_changed() -> None:
    one = profile("post_market")
    files = everything(one) - {"data/00_index/changes.json"}
    assert status(hold(one, facts(version=1), files, said(one)))["changes"] == "not_asked"
    assert status(hold(one, facts(version=2), files, said(one)))["changes"] == "missing"


def test_conditions_look_at_the_study() -> None:
    """Two real protocols: a drug with a result from abroad and no safety, a device with a criterion and safety."""
    results = small_inputs().results
    drug = StudyFacts(rotterdam_protocol(), results, frozenset(), "T0", 1)
    valve = load_protocol(VALVE.read_text(encoding="utf-8"))
    device = StudyFacts(valve, results, frozenset({"device_use"}), "T0", 1)
    holds = {name: (condition(drug), condition(device)) for name, condition in CONDITIONS.items()}
    methods = [{one.method for one in study.protocol.analyses} for study in (drug, device)]
    assert holds["criterion"] == (False, True) and holds["devices"] == (False, True)
    assert holds["adverse_events"] == tuple("safety" in one for one in methods)
    assert holds["confounding"] == tuple("balance" in one for one in methods) and holds["costs"] == (
        False,
        False,
    )
    costs = dataclasses.replace(drug, tables=frozenset({"cost_line"}))
    assert CONDITIONS["costs"](costs)


def test_a_statement_of_another_purpose_is_passed_over() -> None:
    """A study's statements serve several purposes; what this one does not ask is not printed."""
    one = profile("award")
    held = hold(one, facts(), everything(one), said(one) | {"gap": Bilingual("空白", "gap")})
    assert "gap" not in json.dumps(held.as_dict())


@pytest.mark.parametrize("id", sorted(profiles()))
def test_contents_json_names_every_part_with_its_files_and_words(id: str) -> None:
    one = profile(id)
    held = hold(one, facts(), everything(one), said(one))
    document = json.loads(json.dumps(held.as_dict(), allow_nan=False))
    assert [part["id"] for part in document["parts"]] == [part.id for part in one.parts]
    assert (document["expected"], document["found"]) == (held.expected, held.found)
    for part, stands in zip(document["parts"], held.stands, strict=True):
        assert part["files"] == list(stands.files) == sorted(set(stands.files))
        assert (part["who"] is None) == (stands.status != "missing")
        assert (part["reason"] is not None) == (stands.status == "not_asked")
        if part["statement"] and one.statement(part["statement"]["id"]).choices:
            chosen = one.statement(part["statement"]["id"]).choices
            assert chosen and part["statement"]["said"]["zh"] in {words.zh for words in chosen.values()}


def test_hostile_words_are_kept_as_words() -> None:
    one = profile("commercial")
    words = '<script>alert(1)</script> =cmd|" /C calc"!A0'
    document = hold(one, facts(), everything(one), {"use": Bilingual(words, words)}).as_dict()
    assert [part["statement"]["said"] for part in document["parts"] if part["statement"]] == [
        {"zh": words, "en": words}
    ]


def test_a_part_that_a_person_explained_is_neither_found_nor_missing() -> None:
    """And a reason does not stand in for what is there, or for words that are asked for."""
    one, why = profile("reg_drug"), Bilingual("人数太少，无法比较", "Too few people to compare")
    files = everything(one) - {"data/05_results/figures/forest_zh.svg"}
    held = hold(one, facts(), files, said(one) | {"part.overseas": why})
    (stands,) = [each for each in held.stands if each.part.id == "overseas"]
    assert (stands.status, stands.reason) == ("explained", why) and not held.missing
    assert hold(one, facts(), files, said(one) | {"part.overseas": Bilingual("", "")}).missing
    whole = hold(one, facts(), everything(one), said(one) | {"part.overseas": why})
    assert status(whole)["overseas"] == "found"
    without = {id: words for id, words in said(one).items() if id != "gap"}
    assert hold(one, facts(), everything(one), without | {"part.evidence_gap": why}).missing
