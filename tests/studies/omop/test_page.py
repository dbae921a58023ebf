"""The reference page of the export names what the data files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.omop.report import _WORDS
from studies.omop.rules import load_rules, load_sources

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "omop.md").read_text(encoding="utf-8")
TABLES, RULES = (PAGE.split(f"\n## {head}")[1].split("\n## ")[0] for head in ("Tables", "Rules"))


@pytest.mark.parametrize("name", load_sources())
def test_the_page_says_where_a_table_goes_from_which_day_and_whose_mapping_it_is(name: str) -> None:
    (line,) = [line for line in TABLES.splitlines() if line.startswith(f"| `{name}` |")]
    source = load_sources()[name]
    said = {source.table, source.also, *source.start, *source.end, source.code[1]} - {""}
    assert all(f"`{word}`" in line for word in said), said
    assert ("**ours**" in line) == (not source.official or "ours" in source.official)


def test_the_page_names_every_rule_and_no_other() -> None:
    import re

    named = set(re.findall(r"`((?:f2o-[0-9]+|rwd)\.[a-z-]+)`", RULES))
    assert named == {rule.id for rule in load_rules().rules}


def test_the_page_names_every_reason_of_a_concept_0() -> None:
    whys = {"no_code", "no_vocabulary", "system_unknown", "code_unknown", "no_standard", "several_standard"}
    for why in {*whys, "word_unknown", "not_collected"}:
        assert f"`{why}`" in PAGE and all(why in words for words in _WORDS.values())
