"""A rule pack is data that a lawyer reads: dated, with sources, complete in both languages, named by its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rwd_platform.compliance import rulepack
from rwd_platform.compliance.advisories import ADVISORIES
from rwd_platform.compliance.decide import PREDICATES, decide
from rwd_platform.compliance.rulepack import load_pack, pack_names
from rwd_platform.core.errors import PlatformError
from tests.compliance.test_decide import case_with

FILE = Path(rulepack.__file__).parent / "rulepacks" / "national-2026.toml"


def test_the_pack_is_named_by_the_hash_of_its_file() -> None:
    """A decision names exactly the rules that made it."""
    pack = load_pack("national-2026")
    assert pack.sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert load_pack(FILE) == load_pack(str(FILE)) == pack


def test_the_thresholds_are_those_of_the_provisions() -> None:
    """1,000,000 and 10,000 for an assessment; 100,000 for a contract; more than 500 for a review."""
    pack = load_pack()
    assert pack.rule("M9").thresholds == {"general": 1_000_000, "sensitive": 10_000}
    assert pack.rule("M10").thresholds == {"general": 100_000, "transfer_sensitive": 1}
    assert pack.rule("H1").thresholds == {"exome_genome_persons": 500}


def test_every_rule_and_duty_has_source_and_words_in_both_languages() -> None:
    """A rule without an article would be an opinion. English sources contain no Chinese, and the reverse."""
    pack = load_pack()
    for one in [*pack.rules, *pack.duties.values()]:
        assert one.source.zh.startswith("《") and one.source.en.isascii()
        assert one.sentence.en.isascii() and not one.sentence.zh.isascii()


@pytest.mark.parametrize("name", sorted(set(pack_names()) - {"hainan-2024"}))
def test_every_shipped_pack_of_rules_is_complete_and_of_a_family(name: str) -> None:
    """Sources and sentences in both languages, one disclaimer for all, and a hash of its own bytes."""
    pack = load_pack(name)
    assert pack.family in ("national", "genetic_resources", "inbound")
    assert pack.disclaimer == load_pack().disclaimer
    assert pack.sha256 == hashlib.sha256(FILE.with_name(f"{name}.toml").read_bytes()).hexdigest()
    for one in [*pack.rules, *pack.duties.values()]:
        assert one.sentence.en.isascii() and not one.sentence.zh.isascii()
        assert one.source.en.isascii() and "《" in one.source.zh
    for rule in pack.rules:
        assert rule.confirm is None or (rule.confirm.en.isascii() and not rule.confirm.zh.isascii())


def test_only_the_national_pack_has_paths_and_advisories() -> None:
    """A gate's pack answers ALLOW or HOLD and has no path to name."""
    for name in ("genetic-resources-2024", "inbound-2025"):
        pack = load_pack(name)
        assert not pack.advisories and not pack.exemption_bases
        assert not pack.personal_information_paths and not pack.genetic_resources_paths
    assert load_pack().personal_information_paths and load_pack().advisories


def test_a_pack_of_another_family_does_not_decide_about_a_transfer() -> None:
    """Stated with --rules by mistake, it is refused and not half applied."""
    for name in ("genetic-resources-2024", "inbound-2025"):
        with pytest.raises(PlatformError, match=r"transfer\.pack_malformed"):
            decide(case_with({}), load_pack(name))


def test_code_and_pack_know_the_same_ids() -> None:
    """The order of the rules is the order of evaluation, so both must agree on it."""
    pack = load_pack()
    assert tuple(rule.id for rule in pack.rules) == tuple(PREDICATES)
    assert set(pack.advisories) == set(ADVISORIES)


def test_a_threshold_changed_in_the_file_changes_the_decision(tmp_path: Path) -> None:
    """Thresholds are data: a new number needs no programmer."""
    path = tmp_path / "stricter.toml"
    path.write_text(FILE.read_text("utf-8").replace("sensitive = 10_000", "sensitive = 5"), "utf-8")
    case = case_with({"persons.sensitive.count": 5})
    assert decide(case, load_pack()).personal_information_path == "CONTRACT_OR_CERT"
    stricter = decide(case, load_pack(path))
    assert stricter.personal_information_path == "SECURITY_ASSESSMENT"
    assert stricter.rule_pack["sha256"] != load_pack().sha256


SPOILT = {
    "not TOML": ("[verdicts]", "[verdicts"),
    "another format": ("format_version = 1", "format_version = 2"),
    "no source": ('source.en = "PIPL Art. 42"\n', ""),
    "an empty sentence": ('en = "the data do not cross the border"', 'en = " "'),
    "an unknown block": ('block = "prohibitions"', 'block = "wishes"'),
    "a block of another family": ('block = "prohibitions"', 'block = "inbound"'),
    "no family": ('family = "national"\n', ""),
    "another family": ('family = "national"', 'family = "inbound"'),
    "a family that no pack of rules is of": ('family = "national"', 'family = "hainan"'),
    "a last day before the first": (
        "effective_from = 2024-03-22 #",
        "effective_until = 2024-03-21\neffective_from = 2024-03-22 #",
    ),
    "a text where tables belong": ('id = "PIPIA"', "id = 5"),
    "verdicts that are no words": (
        'ALLOW.zh = "可以提供"\nALLOW.en = "The data may be provided"',
        'ALLOW = "yes"',
    ),
    "no advisories": ("[[advisories]]", "[[advice]]"),
    "a threshold that is no number": ("sensitive = 10_000", "sensitive = '10000'"),
    "a negative threshold": ("sensitive = 10_000", "sensitive = -1"),
    "a date with a time": ("effective_from = 2021-09-01", "effective_from = 2021-09-01T00:00:00Z"),
    "a word in braces that nobody fills": ("（含本次）", "{patient}"),
    "braces that do not close": ("（含本次）", "{"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_malformed_pack_is_refused(tmp_path: Path, spoilt: str) -> None:
    """A pack is refused when it is read, not in the middle of a decision."""
    old, new = SPOILT[spoilt]
    text = FILE.read_text("utf-8")
    assert old in text
    path = tmp_path / "spoilt.toml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(PlatformError) as caught:
        load_pack(path)
    assert (caught.value.code, caught.value.exit) == ("transfer.pack_malformed", 2)


def test_rules_in_another_order_do_not_decide(tmp_path: Path) -> None:
    """The first match wins, so an order that the code does not know is refused."""
    text = FILE.read_text("utf-8").replace('id = "M0"', 'id = "M1b"')
    path = tmp_path / "order.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(PlatformError, match=r"transfer\.pack_malformed"):
        decide(case_with({}), load_pack(path))


@pytest.mark.parametrize("name", ["no-such-pack", "../../secret", "/etc/passwd", "", "a\x00b"])
def test_an_absent_pack_is_said_with_those_at_hand(name: str) -> None:
    """A name never reaches outside the folder of packs; a path is a path."""
    with pytest.raises(PlatformError) as caught:
        load_pack(name)
    assert caught.value.exit == 2
