"""docs/reference/policies.md against the code: what it names exists, what exists is named, its example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = [
    (page.relative_to(DOCS).as_posix(), text)
    for page in sorted(DOCS.rglob("*.md"))
    for text in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if re.search(r"^(name = |\[systems\])", text, re.MULTILINE)
]
# An example that shows a single section stands in this policy.
WHOLE = 'name = "x"\nversion = "1"\nzh = "例"\nen = "x"\nextends = "default"\n'


@pytest.mark.parametrize(
    ("page", "text"), EXAMPLES, ids=[f"{page}-{at}" for at, (page, _) in enumerate(EXAMPLES)]
)
def test_every_policy_in_the_docs_can_be_obeyed_and_the_linter_finds_nothing(page: str, text: str) -> None:
    assert lint(parse_policy((text if "name = " in text else WHOLE + text).encode(), "example.toml")) == (), (
        page
    )


def test_the_example_of_the_page_shifts_every_date_of_a_patient_and_no_birthday() -> None:
    (text,) = (text for page, text in EXAMPLES if page == "reference/policies.md" and "name = " in text)
    policy = parse_policy(text.encode(), "our_hospital.toml")
    assert policy.rules["Patient"]["birthDate"] == Rule("age-band", "10")
    assert policy.rules["Encounter"]["period.start"] == Rule("date", "shift")
    assert "MedicationDispense" in policy.dropped_types
    cut = [rule for paths in policy.rules.values() for rule in paths.values() if rule.action == "date"]
    assert cut and set(cut) == {Rule("date", "shift")}


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
