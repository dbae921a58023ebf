"""The shipped packs as people read them: which is in force, and what is shown when one of the files is wrong."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwd_platform.compliance.pins import FOLDER, PINS
from rwd_platform.compliance.rulepack import RulePack
from rwd_platform.compliance.series import FAMILIES, pack_in_force
from rwd_platform.compliance.shipped import Shelf, as_dict, shelf, worded
from rwd_platform.compliance.zone_list import ZoneList
from rwd_platform.core.errors import PlatformError

ON = date(2026, 11, 23)
FILES = sorted(path for path in FOLDER.glob("*.toml") if path.name != PINS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped packs, to be spoilt."""
    return Path(shutil.copytree(FOLDER, tmp_path / "rulepacks"))


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def pin(folder: Path, *names: str) -> None:
    """Pin the files as they now are: an edition that was meant to be."""
    for name in names:
        digest = sha256((folder / name).read_bytes()).hexdigest()
        lines = [one for one in (folder / PINS).read_text("utf-8").splitlines() if name not in one]
        (folder / PINS).write_text("\n".join([*lines, f'"{name}" = "{digest}"', ""]), "utf-8")


def names(found: Shelf) -> list[str]:
    return [one.file for family in found.families for one in family.packs]


# -- everything, and which applies -----------------------------------------------------------------------------------


def test_every_shipped_file_is_shown_with_its_own_hash() -> None:
    """Beside the files themselves: none is left out, and the hash is that of its bytes."""
    found = shelf(ON)
    assert found.decides and sorted(names(found)) == [path.name for path in FILES]
    assert tuple(family.id for family in found.families) == FAMILIES
    for family in found.families:
        for one in family.packs:
            assert one.content.sha256 == sha256((FOLDER / one.file).read_bytes()).hexdigest()


def test_every_rule_is_shown_in_the_order_of_the_file() -> None:
    """As another reader of the file has it."""
    for family in as_dict(shelf(ON))["families"]:
        for pack in family["packs"]:
            content = tomllib.loads((FOLDER / pack["file"]).read_text("utf-8"))
            for shown, written in zip(pack.get("rules", []), content.get("rules", []), strict=True):
                assert (shown["id"], shown["result"]) == (written["id"], written["result"])
                assert shown["sentence"] == {"zh": written["zh"], "en": written["en"]}
                assert shown["source"] == written["source"] and shown["thresholds"] == written.get(
                    "thresholds", {}
                )
                assert shown["confirm"] == written.get("confirm")
            assert len(pack.get("duties", [])) == len(content.get("duties", []))
            assert len(pack.get("advisories", [])) == len(content.get("advisories", []))


@given(st.dates(min_value=date(2023, 1, 1), max_value=date(2032, 12, 31)))
def test_what_is_said_to_be_in_force_is_what_decides(on: date) -> None:
    """On every day: the pack of the page is the pack that a decision takes, and none where none decides."""
    for family in shelf(on).families:
        try:
            deciding = pack_in_force(family.id, on).sha256  # type: ignore[call-overload]  # any of the families
        except PlatformError as error:
            assert error.code == "transfer.no_pack_on"
            deciding = None
        assert (family.in_force.content.sha256 if family.in_force else None) == deciding


def test_a_row_has_what_ended_what_applies_and_what_is_to_come() -> None:
    """The packs on human genetic resources changed on 1 May 2024."""
    for on, standings in (
        (date(2023, 6, 30), ["to_come", "to_come"]),
        (date(2024, 4, 30), ["in_force", "to_come"]),
        (date(2024, 5, 1), ["ended", "in_force"]),
    ):
        (family,) = [one for one in shelf(on).families if one.id == "genetic_resources"]
        assert [one.standing for one in family.packs] == standings


def test_a_pack_is_found_by_version_and_by_the_hash_that_a_decision_names() -> None:
    found = shelf(ON)
    one = found.pack("national", "2026.1")
    assert one is not None and found.by_hash(one.content.sha256) == one
    assert found.pack("national", "1999.1") is None and found.pack("inbound", "2026.1") is None
    assert found.by_hash("0" * 64) is None and found.by_hash("") is None
    with pytest.raises(PlatformError, match=r"transfer\.no_such_family"):
        found.pack("lunar" * 100, "1")


def test_the_list_of_hainan_is_shown_as_not_adopted_and_silent() -> None:
    """What it names, and that a decision reads the opinion on file instead."""
    one = shelf(ON).pack("hainan", "2024.1")
    assert one is not None and isinstance(one.content, ZoneList)
    shown = as_dict(shelf(ON))["families"][FAMILIES.index("hainan")]["packs"][0]
    assert shown["adopted"] is False and shown["medicine_scenarios"] == [] and len(shown["domains"]) == 5
    assert (
        shown["announced"] == "2025-02-19"
        and shown["instrument"] == "zone_opinion"
        and len(shown["confirm"]) == 3
    )


# -- a sentence by itself --------------------------------------------------------------------------------------------


def test_a_sentence_by_itself_has_its_numbers_and_no_braces() -> None:
    """What only a case knows is left open, in words."""
    for family in shelf(ON).families:
        for one in family.packs:
            for rule in one.content.rules if isinstance(one.content, RulePack) else ():
                words = worded(rule)
                for text in words:
                    assert not re.search(r"[{}]", text)
                for at in rule.thresholds.values():
                    assert f"{at:,}" in words.zh and f"{at:,}" in words.en


# -- files that are wrong --------------------------------------------------------------------------------------------


def test_a_pack_edited_by_hand_is_named_and_its_rules_are_not_shown(folder: Path) -> None:
    """Somebody raised a threshold: the page says which file, shows the others, and that nothing is decided."""
    rewrite(folder / "national-2026.toml", "sensitive = 10_000", "sensitive = 90_000")
    found = shelf(ON, folder)
    (bad,) = found.unusable
    assert (bad.file, bad.problem.code) == ("national-2026.toml", "transfer.pack_edited")
    assert bad.sha256 == sha256((folder / "national-2026.toml").read_bytes()).hexdigest()
    assert not found.decides and len(names(found)) == len(FILES) - 1
    assert "90000" not in json.dumps(as_dict(found)) and found.families[0].packs == ()


@pytest.mark.parametrize("family", ["national", "genetic_resources", "inbound", "hainan"])
def test_while_one_file_is_edited_no_family_decides(folder: Path, family: Any) -> None:
    """What the page says of deciding is so: the engine refuses for every family, also one whose files are sound."""
    rewrite(folder / "inbound-2025.toml", "10_000", "99_999")
    assert not shelf(ON, folder).decides
    with pytest.raises(PlatformError, match=r"transfer\.pack_edited"):
        pack_in_force(family, ON, folder)


def test_a_file_that_nobody_pinned_and_one_that_is_gone_are_named(folder: Path) -> None:
    """Both at once, where deciding stops at the first."""
    shutil.copy(folder / "inbound-2025.toml", folder / "mine.toml")
    (folder / "hainan-2024.toml").unlink()
    found = shelf(ON, folder)
    assert [(one.file, one.problem.code) for one in found.unusable] == [
        ("hainan-2024.toml", "transfer.pack_missing"),
        ("mine.toml", "transfer.pack_not_pinned"),
    ]
    assert found.unusable[0].sha256 == "" and len(found.unusable[1].sha256) == 64


@pytest.mark.parametrize("content", [b"\xff\xfe", b"= [[", b'"a.toml" = "short"'])
def test_a_list_of_pins_that_cannot_be_read_leaves_nothing_to_show(folder: Path, content: bytes) -> None:
    (folder / PINS).write_bytes(content)
    found = shelf(ON, folder)
    assert found.problem is not None and found.problem.code == "transfer.pins_malformed"
    assert not found.decides and names(found) == []
    json.dumps(as_dict(found))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('family = "inbound"', 'family = "lunar"'),
        ('family = "inbound"\n', ""),
        ("format_version = 1", "format_version = 9"),
        ('id = "I7"', 'id = "I8"'),
        ("[verdicts]", "[[verdicts]"),
    ],
)
def test_a_pinned_file_that_is_malformed_is_named_too(folder: Path, old: str, new: str) -> None:
    """Pinned as it is, and still not one that the program can use."""
    rewrite(folder / "inbound-2025.toml", old, new)
    pin(folder, "inbound-2025.toml")
    (bad,) = shelf(ON, folder).unusable
    assert (bad.file, bad.problem.code) == ("inbound-2025.toml", "transfer.pack_malformed")


@pytest.mark.parametrize(
    ("days", "problem"), [(1, "transfer.packs_overlap"), (-1, "transfer.packs_gap"), (0, "")]
)
def test_a_gap_or_an_overlap_in_a_row_is_said_and_nothing_is_in_force(
    folder: Path, days: int, problem: str
) -> None:
    """Both packs are shown with their days; the family picks none of them."""
    end = date(2024, 4, 30) + timedelta(days=days)
    rewrite(
        folder / "genetic-resources-2023.toml", "effective_until = 2024-04-30", f"effective_until = {end}"
    )
    pin(folder, "genetic-resources-2023.toml")
    found = shelf(ON, folder)
    (family,) = [one for one in found.families if one.id == "genetic_resources"]
    assert len(family.packs) == 2 and found.decides
    assert (family.problem.code if family.problem else "") == problem
    assert (family.in_force is None) is bool(problem)


def test_an_empty_folder_ships_nothing(tmp_path: Path) -> None:
    (tmp_path / PINS).write_text("", "utf-8")
    found = shelf(ON, tmp_path)
    assert found.decides and names(found) == [] and all(one.in_force is None for one in found.families)
