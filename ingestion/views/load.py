"""The views of the lake: one ViewDefinition a table, in ingestion/definitions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ingestion.views.compiler import View, compile_view
from ingestion.views.problems import bad_view
from rwd_platform.core import json_text
from rwd_platform.core.text import Bilingual
from rwd_platform.core.units import Flat, Resource

_DEFINITIONS = Path(__file__).parents[1] / "definitions"


def load_views(folder: Path = _DEFINITIONS) -> tuple[View, ...]:
    """All views of a folder, by file name. Raises PlatformError `views.definition` for a wrong one."""
    return _load(folder)


@cache
def _load(folder: Path) -> tuple[View, ...]:
    views = tuple(_view(file) for file in sorted(folder.glob("*.json")))
    names = [view.name for view in views]
    for name in names:
        if names.count(name) > 1:
            raise bad_view(
                name, "name", Bilingual("有两个视图用了同一个名字", "two views have the same name")
            )
    return views


def _view(file: Path) -> View:
    try:
        content = json_text.loads(file.read_bytes())
    except json_text.JsonRefused as refused:
        raise bad_view(file.name, "", Bilingual(refused.zh, refused.en)) from None
    return compile_view(content)


def flatten(resource: Resource, views: tuple[View, ...]) -> Iterator[Flat]:
    """The rows of each table that this resource gives; tables without a row are left out.

    Raises PlatformError `views.value` when the resource has no row by the view's rules; the caller
    quarantines the resource.
    """
    kind = resource.get("resourceType")
    for view in views:
        if view.resource == kind:
            rows = view.rows(resource)
            if rows:
                yield Flat(view.name, tuple(rows))
