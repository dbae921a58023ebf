"""What can go wrong says what happened and what to do, in both languages, and repeats nothing of a person."""

from __future__ import annotations

import re

import pytest

from rwd_platform.core.errors import Problem
from studies.evidence.submission import problems

ALL = {name: one for name, one in vars(problems).items() if isinstance(one, Problem)}
HAN = re.compile(r"[\u4e00-\u9fff]")


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("name", ALL)
def test_each_says_what_happened_and_what_to_do_in_both_languages(name):
    one = ALL[name]
    assert one.code == f"submission.{name.lower()}"
    for zh, en in ((one.zh, one.en), (one.next_zh, one.next_en)):
        assert HAN.search(zh) and en and not HAN.search(en)
        assert places(zh) == places(en)


@pytest.mark.parametrize("name", ALL)
def test_none_asks_for_what_it_may_not_repeat(name):
    assert places(ALL[name].zh) <= {"dataset", "variable", "count", "column", "tier", "known", "bits"}


def test_codes_are_unlike_each_other():
    codes = [one.code for one in ALL.values()]
    assert len(set(codes)) == len(codes) == 7


def test_what_is_never_allowed_is_refused_as_forbidden():
    assert problems.TIER_NEVER.http == 403
