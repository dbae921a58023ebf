"""docs/reference/policies.md against the code: what it names exists, what exists is named, its example works."""

from __future__ import annotations

import re
from pathlib import Path

from deidentify.actions import read_rule
from deidentify.generalise import load_hierarchies
from deidentify.lint import lint
from deidentify.lint_texts import _TEXTS
from deidentify.policy import Rule, load_policy, parse_policy, shipped_policies

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "policies.md").read_text(
    encoding="utf-8"
)


def row(first: str) -> list[str]:
    (found,) = (line for line in PAGE.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_example_can_be_obeyed_and_the_linter_finds_nothing() -> None:
    (text,) = (block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "name =" in block)
    policy = parse_policy(text.encode(), "our_hospital.toml")
    assert lint(policy) == ()
    assert policy.rules["Patient"]["birthDate"] == Rule("age-band", "10")
    assert policy.rules["Encounter"]["period.start"] == Rule("date", "shift")
    assert "MedicationDispense" in policy.dropped_types


def test_every_policy_hierarchy_level_and_finding_is_on_the_page() -> None:
    for name in shipped_policies():
        assert f"`{name}`" in PAGE
    for name, hierarchy in load_hierarchies().items():
        cells = row(f"`{name}`")
        assert all(f"`{level.name}`" in cells[1] for level in hierarchy.levels), name
    for rule in _TEXTS:
        assert f"`lint.{rule}`" in PAGE


def test_the_actions_of_the_page_are_those_of_the_code() -> None:
    for text in ("keep", "pseudonym", "reference:Patient", "date:month", "date:year", "date:shift", "age-band:5",
                 "generalise:icd10:category", "mask", "drop", "text"):  # fmt: skip
        assert str(read_rule("page", "x", text)) == text
        assert f"`{text.split(':')[0]}" in PAGE


def test_the_comparison_says_what_the_policies_do() -> None:
    """The columns of birth dates, other dates and UDI, read back from the rules."""
    names = re.findall(
        r"`([a-z_]+)`", next(line for line in PAGE.splitlines() if line.startswith("| | `lake`"))
    )
    assert sorted(names) == list(shipped_policies())
    births = {"keep": "true", "date:year": "year", "age-band:1": "year; 90", "age-band:5": "5-year"}
    others = {"keep": "true", "date:month": "year and month", "date:year": "year"}
    for name, birth, other, udi in zip(
        names, row("birth date")[1:], row("other dates")[1:], row("UDI-DI")[1:], strict=True
    ):
        rules = load_policy(name).rules
        assert birth.startswith(births[str(rules["Patient"]["birthDate"])])
        assert other == others[str(rules["Condition"]["recordedDate"])]
        stays = rules["Device"].get("udiCarrier.deviceIdentifier") == Rule("device-identifier")
        assert udi == ("stays" if stays else "gone")
