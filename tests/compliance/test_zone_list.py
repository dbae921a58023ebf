"""The Hainan list: silent on medicine, not adopted, and read by a decision only through counsel's opinion on file."""

from __future__ import annotations

from datetime import date

import pytest

from rwd_platform.compliance.instruments import kinds
from rwd_platform.compliance.pins import FOLDER
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.compliance.zone_list import read_zone_list
from rwd_platform.core.errors import PlatformError

FILE = FOLDER / "hainan-2024.toml"
HAINAN = pack_in_force("hainan", date(2026, 11, 23))


def test_the_list_is_off_until_a_person_adopts_it() -> None:
    """The edition of 2024, announced on 19 February 2025; nothing leans on it by itself."""
    assert HAINAN.adopted is False
    assert (HAINAN.edition, HAINAN.announced) == ("2024", date(2025, 2, 19))
    assert HAINAN.effective_from == date(2025, 2, 19) and HAINAN.effective_until is None


def test_the_list_is_silent_on_medicine_and_says_what_that_means() -> None:
    """Five domains are known and none is medicine; silence is no exemption."""
    assert HAINAN.medicine_scenarios == ()
    assert [one.en for one in HAINAN.domains] == [
        "deep sea",
        "aerospace",
        "seeds",
        "tourism",
        "duty-free retail",
    ]
    assert "no exemption" in HAINAN.silence.en and "不等于免予申报" in HAINAN.silence.zh


def test_a_decision_reads_an_opinion_on_file_and_never_the_list() -> None:
    """The kind of paper that it names is one that exists, and rests on Article 6."""
    kind = kinds()[HAINAN.instrument]
    assert HAINAN.instrument == "zone_opinion" and "Art. 6" in kind.source.en
    assert kind.name.zh.removesuffix("适用意见") in HAINAN.reads.zh


def test_what_counsel_must_confirm_is_said_in_both_languages() -> None:
    """A later edition, another zone's list, and the day from which it applies."""
    assert len(HAINAN.confirm) == 3
    for one in (*HAINAN.confirm, HAINAN.silence, HAINAN.reads, HAINAN.title, HAINAN.source):
        assert one.en.isascii() and not one.zh.isascii()
    assert "乐城" in HAINAN.confirm[0].zh
    assert HAINAN.disclaimer == load_pack("national-2026").disclaimer


SPOILT = {
    "not TOML": ("[[domains]]", "[[domains]"),
    "another format": ("format_version = 1", "format_version = 2"),
    "another family": ('family = "hainan"', 'family = "national"'),
    "adopted by a word": ("adopted = false", 'adopted = "no"'),
    "adopted by a number": ("adopted = false", "adopted = 0"),
    "not said whether adopted": ("adopted = false\n", ""),
    "an instrument that does not exist": ('instrument = "zone_opinion"', 'instrument = "rumour"'),
    "an instrument that is no text": ('instrument = "zone_opinion"', "instrument = []"),
    "announced at a time": ("announced = 2025-02-19", "announced = 2025-02-19T08:00:00Z"),
    "a domain without English": ('en = "deep sea"\n', ""),
    "a domain that is a text": ("medicine_scenarios = []", 'medicine_scenarios = [" "]'),
    "scenarios that are a number": ("medicine_scenarios = []", "medicine_scenarios = 0"),
    "an empty sentence": ('silence.en = "This edition', 'silence.en = "  " # "This edition'),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_malformed_list_is_refused(spoilt: str) -> None:
    """A list is refused when it is read; `adopted` is true or false and nothing like it."""
    old, new = SPOILT[spoilt]
    text = FILE.read_text("utf-8")
    assert old in text
    with pytest.raises(PlatformError) as caught:
        read_zone_list(text.replace(old, new, 1).encode("utf-8"), "spoilt.toml")
    assert (caught.value.code, caught.value.exit) == ("transfer.pack_malformed", 2)
    assert "spoilt.toml" in caught.value.en


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"\x00", b"format_version = 1"])
def test_what_is_no_list_at_all_is_refused(raw: bytes) -> None:
    """Empty, not UTF-8, or only a top."""
    with pytest.raises(PlatformError, match=r"transfer\.pack_malformed"):
        read_zone_list(raw, "none.toml")


def test_the_list_does_not_decide_as_a_pack_of_rules() -> None:
    """Stated with --rules it is refused: it has no rules."""
    with pytest.raises(PlatformError, match=r"transfer\.pack_malformed"):
        load_pack("hainan-2024")
