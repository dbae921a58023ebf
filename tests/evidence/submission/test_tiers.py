"""The tiers of row data: what each puts into a package, and that identifiable data never are."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.documents import SEALED
from studies.evidence.submission import tiers
from studies.evidence.submission.facts import DEFINE, DICTIONARY, FOLDER, GUIDES, json_path, xpt_path
from tests.evidence.submission.keys import needs_openssl, opened, recipient
from tests.evidence.submission.made import rotterdam_files, valve_files

FILES = rotterdam_files().files
ROWS = {path for name in ("ADSL", "ADTTE") for path in (xpt_path(name), json_path(name))}
ABOUT = {DEFINE, DICTIONARY, *GUIDES.values()}
HAN = re.compile(r"[\u4e00-\u9fff]")


def holds_a_subject(files: Mapping[str, bytes]) -> bool:
    return any(b"S00001" in content for content in files.values())


def test_there_are_five_in_order_each_said_in_both_languages():
    assert list(tiers.tiers()) == ["T0", "T1", "T2", "T3", "T4"]
    for id_, one in tiers.tiers().items():
        assert one.id == id_
        for text in (one.name, one.says):
            assert HAN.search(text.zh) and text.en and not HAN.search(text.en)


def test_only_identifiable_data_are_never_allowed():
    assert [id_ for id_, one in tiers.tiers().items() if not one.allowed] == ["T4"]
    never = tiers.tiers()["T4"]
    assert not (never.package or never.sealed or never.enclave)


def test_every_pattern_names_a_file_that_a_submission_has():
    """A pattern with a slip would leave its file out in silence."""
    paths = {one.removeprefix(FOLDER) for one in FILES}
    for one in tiers.tiers().values():
        for pattern in (*one.package, *one.sealed, *one.enclave):
            folder, _, ending = pattern.rpartition("*")
            assert pattern in paths or any(
                path.startswith(folder) and path.endswith(ending) for path in paths
            )


def test_no_tier_puts_row_files_into_a_package_unsealed():
    for one in tiers.tiers().values():
        assert not [pattern for pattern in one.package if "datasets/" in pattern]


@pytest.mark.parametrize("id_", ["T0", "T1"])
def test_without_rows_the_package_gets_the_dictionary_alone(id_):
    placed = tiers.placed(id_, FILES)
    assert set(placed.package) == {DICTIONARY}
    assert placed.enclave == {} and placed.volatile == ()
    assert set(placed.withheld) == set(FILES) - {DICTIONARY}
    assert not holds_a_subject(placed.package)


def test_in_the_enclave_the_package_describes_rows_that_it_does_not_have():
    placed = tiers.placed("T2", FILES)
    assert set(placed.package) == ABOUT and set(placed.enclave) == ROWS
    assert placed.withheld == () and placed.volatile == ()
    assert not holds_a_subject(placed.package) and holds_a_subject(placed.enclave)


def test_rows_that_leave_are_in_the_envelope_alone():
    placed = tiers.placed("T3", FILES, recipient().certificate)
    assert set(placed.package) == {*ABOUT, SEALED}
    assert placed.volatile == (SEALED,) and placed.enclave == {} and placed.withheld == ()
    assert not holds_a_subject(placed.package)  # the envelope hides them


@needs_openssl
def test_the_recipient_finds_in_the_envelope_the_very_files(tmp_path):
    placed = tiers.placed("T3", FILES, recipient().certificate)
    found = opened(placed.package[SEALED], recipient(), tmp_path)
    assert found == {path.removeprefix(FOLDER): FILES[path] for path in ROWS}


def test_what_is_described_openly_is_what_was_made():
    for id_ in ("T0", "T1", "T2", "T3"):
        placed = tiers.placed(id_, FILES, recipient().certificate)
        assert all(placed.package[path] == FILES[path] for path in placed.package if path != SEALED)


def test_every_file_is_somewhere_or_said_to_be_withheld():
    for id_ in ("T0", "T1", "T2"):
        placed = tiers.placed(id_, FILES)
        parts = [set(placed.package), set(placed.enclave), set(placed.withheld)]
        assert set().union(*parts) == set(FILES) and sum(map(len, parts)) == len(FILES)


def test_rows_to_be_sealed_need_a_certificate():
    with pytest.raises(PlatformError) as error:
        tiers.placed("T3", FILES)
    assert error.value.code == "submission.tier_needs_certificate"


@pytest.mark.parametrize("call", [tiers.tier, lambda id_: tiers.placed(id_, FILES, recipient().certificate)])
def test_identifiable_data_are_refused_whatever_is_asked(call):
    with pytest.raises(PlatformError) as error:
        call("T4")
    assert error.value.code == "submission.tier_never"


@pytest.mark.parametrize("id_", ["", "T5", "t3", "T3 ", "T", "../T3", "T0\n"])
def test_a_tier_that_does_not_exist_is_refused_and_the_known_are_named(id_):
    with pytest.raises(PlatformError) as error:
        tiers.tier(id_)
    assert error.value.code == "submission.tier_unknown"
    assert "T0, T1, T2, T3, T4" in error.value.en


@pytest.mark.parametrize(
    "path",
    [
        "datasets/xpt/deeper/adsl.xpt", "datasets/xpt/adsl.xpt.bak", "vault.csv", "define.xml.orig",
        "datasets/other/adsl.xpt", "datasets/xpt/../identities.csv", "DEFINE.XML", "twin/define.xml",
    ],
)  # fmt: skip
def test_a_file_that_no_tier_names_stays_outside_in_all_of_them(path):
    """What somebody adds to the folder tomorrow is withheld until a tier names it."""
    stray = f"{FOLDER}{path}"
    with_stray = {**FILES, stray: b"S00001"}
    for id_ in ("T0", "T1", "T2", "T3"):
        placed = tiers.placed(id_, with_stray, recipient().certificate)
        assert stray in placed.withheld
        assert stray not in placed.package and stray not in placed.enclave


@needs_openssl
def test_a_stray_file_is_not_in_the_envelope_either(tmp_path):
    placed = tiers.placed("T3", {**FILES, f"{FOLDER}datasets/xpt/a/b.xpt": b"x"}, recipient().certificate)
    assert set(opened(placed.package[SEALED], recipient(), tmp_path)) == {
        path.removeprefix(FOLDER) for path in ROWS
    }


def test_a_submission_without_rows_cannot_be_sealed():
    with pytest.raises(PlatformError) as error:
        tiers.placed("T3", {path: FILES[path] for path in ABOUT}, recipient().certificate)
    assert error.value.code == "submission.nothing_to_seal"


def test_events_are_placed_as_the_other_rows_are():
    placed = tiers.placed("T2", valve_files().files)
    assert {xpt_path("ADAE"), json_path("ADAE")} <= set(placed.enclave)
