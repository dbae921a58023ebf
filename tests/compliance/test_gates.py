"""What the smaller gates share: an answer that holds when something is missing, and a pack that is really theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from rwd_platform.compliance.gates import GateAnswer, answer, check_pack
from rwd_platform.compliance.rulepack import RulePack, load_pack
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual

ON = date(2024, 4, 30)
PACK = load_pack("genetic-resources-2023")
RULES = tuple(rule.id for rule in PACK.rules)
DUTIES = tuple(PACK.duties)
PARTIES = {"parties": Bilingual("甲", "A")}


def refused(pack: RulePack, on: date = ON, family: str = "genetic_resources") -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        check_pack(pack, family, RULES, DUTIES, on)
    assert caught.value.exit == 2
    return caught.value


def test_a_pack_that_holds_what_the_gate_knows_is_accepted_on_its_days() -> None:
    """The first day and the last day are its own; the order of duties is nobody's concern."""
    for on in (date(2023, 7, 1), ON):
        check_pack(PACK, "genetic_resources", RULES, tuple(reversed(DUTIES)), on)


@pytest.mark.parametrize("on", [date(2023, 6, 30), date(2024, 5, 1), date.min, date.max])
def test_outside_its_days_a_pack_does_not_answer(on: date) -> None:
    """The error says from when until when it would."""
    error = refused(PACK, on)
    assert error.code == "transfer.pack_not_for_day"
    for text in (error.zh, error.en):
        assert "2023-07-01" in text and "2024-04-30" in text and on.isoformat() in text


def test_a_pack_without_an_end_says_so() -> None:
    """No end is not "None"."""
    error = refused(replace(PACK, effective_until=None), date(2023, 1, 1))
    assert "None" not in error.en + error.zh and "further notice" in error.en


def test_what_the_gate_does_not_know_is_refused_and_named() -> None:
    """Another family, other rules or their order, other duties, other verdicts, a rule that begins later."""
    late = replace(PACK.rules[0], effective_from=date(2024, 5, 1))
    wrong = {
        "family": replace(PACK, family="inbound"),
        "rules": replace(PACK, rules=tuple(reversed(PACK.rules))),
        "duties": replace(PACK, duties={}),
        "verdicts": replace(PACK, verdicts={"ALLOW": PACK.verdicts["ALLOW"]}),
        "effective_from": replace(PACK, rules=(late, *PACK.rules[1:])),
    }
    for where, pack in wrong.items():
        error = refused(pack)
        assert error.code == "transfer.pack_malformed" and where in error.en


def test_something_missing_holds_and_nothing_missing_allows() -> None:
    """The missing are sorted and said once each."""
    held = answer(PACK, [PACK.rule("G6")], ["HGR_UNKNOWN", "HGR_COOPERATION", "HGR_UNKNOWN"], PARTIES)
    assert (held.verdict, held.missing) == ("HOLD", ("HGR_COOPERATION", "HGR_UNKNOWN"))
    assert "尚缺" in held.zh and "Missing" in held.en
    allowed = answer(PACK, [PACK.rule("G5")], [], PARTIES)
    assert (allowed.verdict, allowed.missing) == ("ALLOW", ())
    assert "尚缺" not in allowed.zh and "Missing" not in allowed.en


def test_an_answer_goes_on_record_with_all_it_says() -> None:
    """Every field is there, as values that JSON knows."""
    one = answer(PACK, [PACK.rule("G5")], [], PARTIES)
    assert isinstance(one, GateAnswer)
    assert one.as_dict() == {
        "verdict": "ALLOW",
        "rules": ["G5"],
        "missing": [],
        "rule_pack": {"id": "genetic-resources", "version": "2023.1", "sha256": PACK.sha256},
        "zh": one.zh,
        "en": one.en,
        "confirm": [],
    }
