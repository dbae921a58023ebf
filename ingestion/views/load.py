"""The views of the lake: ViewDefinitions in ingestion/definitions, one or several a table.

Views of one table have the same name, the same columns and different resource types: `drug_exposure` is made of
dispensings, administrations, orders and statements. A column says since which version of the tables it is there
(its tag `rwd/since`); the seven tables and their columns of 1.0.0 keep name, order and meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.views.compiler import FIRST_VERSION, View, compile_view
from ingestion.views.problems import bad_view
from rwd_platform.core import json_text
from rwd_platform.core.columns import RESOURCE_TYPE
from rwd_platform.core.text import Bilingual
from rwd_platform.core.units import Flat, Resource

if TYPE_CHECKING:
    import pandas as pd

_DEFINITIONS = Path(__file__).parents[1] / "definitions"
_SAME_NAME = Bilingual(
    "同一资源类型有两个同名视图",
    "two views have the same name and the same resource type",
)
_OTHER_COLUMNS = Bilingual(
    "同名的视图须有相同的列：名称、顺序、类型都相同",
    "views of the same name need the same columns: name, order and type",
)


def load_views(folder: Path = _DEFINITIONS) -> tuple[View, ...]:
    """All views of a folder, by file name. Raises PlatformError `views.definition` for a wrong one."""
    return _load(folder)


@cache
def _load(folder: Path) -> tuple[View, ...]:
    views = tuple(_view(file) for file in sorted(folder.glob("*.json")))
    first: dict[str, View] = {}
    fed: set[tuple[str, str]] = set()
    for view in views:
        if (view.name, view.resource) in fed:
            raise bad_view(view.name, "name", _SAME_NAME)
        fed.add((view.name, view.resource))
        other = first.setdefault(view.name, view)
        if _shape(other) != _shape(view):
            raise bad_view(view.name, "select", _OTHER_COLUMNS)
    return views


def _shape(view: View) -> tuple[tuple[str, str, str], ...]:
    return tuple((column.name, column.type, column.storage) for column in view.columns)


def tables_of(views: tuple[View, ...]) -> dict[str, View]:
    """Each table with the first of its views, by name: all of a table's views have the same columns."""
    found: dict[str, View] = {}
    for view in views:
        found.setdefault(view.name, view)
    return dict(sorted(found.items()))


def columns_of_version(views: tuple[View, ...], version: str = FIRST_VERSION) -> dict[str, tuple[str, ...]]:
    """The columns of each table that was there at a version, `1.0.0` for the first. Newer tables are left out."""
    there: dict[str, set[str]] = {}
    for view in views:
        there.setdefault(view.name, set()).update(_names_at(view, version))
    return {
        name: tuple(column.name for column in view.columns if column.name in there[name])
        for name, view in tables_of(views).items()
        if there[name]
    }


def of_version(
    tables: Mapping[str, pd.DataFrame], views: tuple[View, ...], version: str = FIRST_VERSION
) -> dict[str, pd.DataFrame]:
    """Lake tables as they were at a version: no newer table, no newer column, no rows of a newer kind of record.

    Columns that no view gives (where a row came from) stay. What was written for a version, a protocol or a lock
    of it, so finds the same content after the tables have grown.
    """
    known = columns_of_version(views, version)
    everything = {view.name: {column.name for column in view.columns} for view in views}
    fed = {(view.name, view.resource) for view in views if _names_at(view, version)}
    found = {}
    for name, rows in tables.items():
        if name in everything and name not in known:
            continue
        newer = everything.get(name, set()) - set(known.get(name, ()))
        kept = rows[[column for column in rows.columns if column not in newer]]
        if name in known and RESOURCE_TYPE in kept:
            kept = kept[[(name, kind) in fed for kind in kept[RESOURCE_TYPE]]]
        found[name] = kept
    return found


def _names_at(view: View, version: str) -> set[str]:
    wanted = _ordered(version)
    return {column.name for column in view.columns if _ordered(column.since) <= wanted}


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


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
