"""The page of a package on a phone: a hash without a place to break, in running text, does not widen it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import studies.evidence.templates as templates

pytestmark = pytest.mark.pages

HASH = "sha256-" + "0123456789abcdef" * 4
TEXT = f'<p>{HASH}</p><ul><li>08_trace/{HASH}</li></ul><p><a class="n" data-n="n1">{HASH}</a></p>'


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_hash_wraps_and_the_page_is_no_wider_than_the_screen(
    browser: Any, tmp_path: Path, width: int
) -> None:
    page_text = (Path(templates.__path__[0]) / "index.html").read_text("utf-8")
    filled = {"title": "t", "package_id": HASH, "font": "", "trace": '{"numbers": []}', "articles": TEXT}
    for name, value in filled.items():
        page_text = page_text.replace("{{" + name + "}}", value)
    (tmp_path / "index.html").write_text(page_text, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((tmp_path / "index.html").as_uri())
    assert page.evaluate("document.scrollingElement.scrollWidth") == width
    page.close()
