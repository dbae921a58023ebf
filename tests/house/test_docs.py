"""The reference pages say what the code says, and the documents' links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rwd_platform.cli.documents import REFERENCE, pages

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("name", ["errors.md", "lifecycles.md", "settings.md", "tables.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """`./run docs` was run after the last change."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == pages()[name]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_local_link_leads_to_a_file(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
            assert (document.parent / target.split("#")[0]).exists(), target
