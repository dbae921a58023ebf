"""Every purpose, in every edition, from the demo's two studies: made, and accepted by the command that a reviewer has.

    ./run test tests/acceptance -m ''

The whole of it takes many minutes. One purpose of the small study, and what the editions are, are in every run.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from deidentify.disclosure.recipients import recipient_of
from rwd_platform.core.text import Bilingual
from rwd_platform.demo.journey import RESEARCHER, make_journey
from rwd_platform.demo.people import register_people
from rwd_platform.demo.second_study import make_second_study
from rwd_platform.flows.accept_disclosure import INSURER, SPONSOR, recipient_kind
from rwd_platform.flows.accept_package import accept_package
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.statements import put_statements
from rwd_platform.records.tables import AnalysisRun, Study
from rwd_platform.settings import Settings
from studies.evidence.acceptance import Acceptance, end_of
from studies.evidence.aggregate import SMALLEST_CELL
from studies.evidence.code import result_code
from studies.evidence.package import build
from studies.evidence.profiles.choice import audiences_of, product_of, profile_for, purposes
from studies.evidence.profiles.profile import Profile, profiles
from studies.evidence.statements import asked_for
from studies.evidence.templates import verify as standalone
from studies.evidence.templates.follow import Package
from studies.protocol import load_protocol
from tests.evidence.fixtures import dossier_inputs, package_signer
from tests.flows.saying import fit_words

PRODUCTS = {"rotterdam": "drug", "valve": "device"}
EDITIONS = [
    (study, purpose, audience)
    for study, product in PRODUCTS.items()
    for purpose in purposes()
    for audience in audiences_of(profile_for(purpose, product))
]
DRAWN, SEED = 500, 20261123
HOLDS = ("verify", "synthetic", "lock", "numbers", "checklists", "disclosure")


def test_the_editions_are_of_every_profile_and_both_audiences() -> None:
    made = {(profile_for(purpose, PRODUCTS[study]).id, audience) for study, purpose, audience in EDITIONS}
    assert {id for id, _ in made} == set(profiles())
    assert made == {(one.id, audience) for one in profiles().values() for audience in audiences_of(one)}


@pytest.mark.parametrize("profile", profiles().values(), ids=lambda one: one.id)
def test_an_aggregate_edition_is_as_coarse_as_a_release_to_its_reader_asks(profile: Profile) -> None:
    """Else a package could be made and never handed over."""
    kind = recipient_kind({"audience": "aggregate", "profile": profile.id})
    assert max(SMALLEST_CELL, profile.smallest_cell) >= recipient_of(kind).minimum_cell


def test_an_insurers_package_of_the_small_study_is_accepted_by_an_insurers_limits(tmp_path: Path) -> None:
    """One purpose in every run, from people's words to the answer: fewer than eleven people stand behind no number."""
    built = build(dossier_inputs("nhsa", code=result_code()), tmp_path)
    described = json.loads((built.folder / standalone.PACKAGE_JSON).read_text())
    assert described["coarsening"]["smallest_cell"] == 11 and recipient_kind(described) == INSURER
    assert recipient_kind({**described, "profile": "reg_drug"}) == SPONSOR
    found = accept_package(built.path, package_signer().public_key)
    statuses = {one.id: one.status for one in found.parts}
    assert found.accepted and {statuses[id] for id in HOLDS if id != "lock"} == {"holds"}, found.as_dict()


# -- the whole of it ---------------------------------------------------------------------------------------

Edition = Callable[[str, str, str], Path]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Both studies of the demo, locked, analysed, unsealed, and with their people's statements."""
    folder = tmp_path_factory.mktemp("demo")
    platform = open_platform(Settings(home=folder / "home", demo=True, root_key_file=None))
    make_journey(platform, folder / "hospitals", lambda _: None)
    staff = register_people(platform)
    make_second_study(platform, folder / "hospitals", RESEARCHER, staff, lambda _, step: step())
    yield platform
    platform.records.engine.dispose()


def study_of(platform: Platform, name: str) -> Study:
    return next(
        one
        for one in platform.records.all(select(Study))
        if product_of(load_protocol(one.protocol).exposure.records.table) == PRODUCTS[name]
    )


@pytest.fixture(scope="module")
def edition(platform: Platform) -> Edition:
    """The archive of an edition, made once. Only a special food needs words that the demo's studies do not say."""
    made: dict[tuple[str, str, str], Path] = {}

    def make(name: str, purpose: str, audience: str) -> Path:
        key = (name, purpose, audience)
        if key not in made:
            study = study_of(platform, name)
            if purpose == "special_food":
                put_statements(platform, RESEARCHER, study.id, words_for("special_food"))
            package = assemble_evidence(platform, RESEARCHER, study.id, purpose, audience)
            made[key] = platform.layout.packages / package.file_name
        return made[key]

    return make


def words_for(profile_id: str) -> dict[str, Bilingual]:
    """What this profile alone asks."""
    others = {id for one in profiles().values() if one.id != profile_id for id in asked_for(one)}
    return {id: fit_words()[id] for id in asked_for(profiles()[profile_id]) if id not in others}


def accepted(platform: Platform, package: Path, name: str) -> Acceptance:
    study = study_of(platform, name)
    run = platform.records.all(select(AnalysisRun).where(AnalysisRun.study_id == study.id))[-1]
    key, lock = platform.package_signer.public_key, platform.layout.lock(run.lock_id)
    return accept_package(package, key, lock)


@pytest.mark.long
@pytest.mark.parametrize(("name", "purpose", "audience"), EDITIONS)
def test_every_edition_of_every_profile_is_accepted(
    platform: Platform, edition: Edition, name: str, purpose: str, audience: str
) -> None:
    """With the signer's key and the data lock every part holds; nobody says where it goes. Of papers alone nothing is
    computed and no number followed.
    """
    found = accepted(platform, edition(name, purpose, audience), name).as_dict()
    open_ones = [one for one in found["parts"] if one["status"] != "holds"]
    papers = not profile_for(purpose, PRODUCTS[name]).results
    nothing = [(part, "not_asked") for part in ("synthetic", "lock", "numbers")] if papers else []
    assert [(one["id"], one["status"]) for one in open_ones] == [*nothing, ("transfer", "not_given")], (
        open_ones
    )
    assert found["accepted"] and found["key"] == "given"


@pytest.mark.long
def test_five_hundred_numbers_of_all_reports_lead_to_a_source_line_or_an_overseas_result(
    edition: Edition,
) -> None:
    """Drawn with a fixed seed over the results printed in the authority's editions of all profiles that have one.

    An aggregate edition holds no source line, and ends at the people of a result row; its numbers are followed with it.
    """
    packages = {one: Package(edition(*one).with_suffix("") / "data") for one in EDITIONS}
    numbers = [
        (one, id)
        for one, package in packages.items()
        for id, number in package.numbers.items()
        if one[2] == "authority" and is_of_a_result(number)
    ]
    drawn = random.Random(SEED).sample(sorted(numbers), DRAWN)
    assert len({one for one, _ in drawn}) == sum(audience == "authority" for *_, audience in EDITIONS)
    ends = Counter(end_of(list(packages[one].follow(id))) for one, id in drawn)
    assert set(ends) == {"source_lines", "overseas"} and ends.total() == DRAWN
    others = Counter(
        end_of(list(package.follow(id)))
        for one, package in packages.items()
        for id in package.numbers
        if one[2] == "aggregate"
    )
    assert set(others) == {"people", "overseas", "account"}


def is_of_a_result(number: dict[str, Any]) -> bool:
    """Of a row, or of a point of a curve: not a count of an account, such as of files, checks or steps."""
    return bool(number.get("ard_id")) or number["file"] == standalone.ARD_JSON
