"""Every column's class and level, what they mean, and who may see what has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from rwd_platform.core.text import Bilingual
from rwd_platform.server.pages.policies import ReadsPolicy
from rwd_platform.server.templating import render

if TYPE_CHECKING:
    from deidentify.classification import Catalogue, Label

router = APIRouter()

PAGE = 50  # columns; the whole catalogue on one page was some 20,000 px long
EVERY_TABLE = "*"

Asked = Annotated[str, Query(max_length=40)]


@dataclass(frozen=True)
class TableOfColumns:
    """What one page shows of one table: its place, the columns, and whether they began on the page before."""

    zone: str
    table: str
    columns: tuple[Label, ...]
    continued: bool


@router.get("/classification")
def get_classification(
    visitor: ReadsPolicy,
    request: Request,
    zone: Asked = "",
    table: Asked = "",
    category: Asked = "",
    level: Asked = "",
    sensitive: Asked = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """An unknown filter value fits nothing, and the page says so."""
    from deidentify.classification import load_catalogue

    catalogue = load_catalogue()
    wanted = {"zone": zone, "table": table, "category": category, "level": level, "sensitive": sensitive}
    chosen = [label for label in in_order(catalogue) if _fits(label, wanted)]
    first = (page - 1) * PAGE
    return render(
        request,
        "classification.html",
        catalogue=catalogue,
        classes=catalogue.words("classes"),
        levels=catalogue.meanings["levels"],
        importance=catalogue.words("importance"),
        identifiers=catalogue.words("identifiers"),
        by_level=Counter(label.level for label in catalogue.labels),
        tables=_table_names(catalogue, zone),
        groups=list(grouped(chosen, first)),
        shown=len(chosen),
        total=len(catalogue.labels),
        wanted=wanted,
        link=_link(wanted),
        page=page,
        page_size=PAGE,
    )


def _link(wanted: dict[str, str]) -> str:
    """The address of this choice, up to the page's number."""
    return "/classification?" + "".join(
        f"{urlencode({name: value})}&" for name, value in wanted.items() if value
    )


def _fits(label: Label, wanted: dict[str, str]) -> bool:
    has = {
        "zone": label.zone,
        "table": label.table,
        "category": label.category,
        "level": str(label.level),
        "sensitive": "yes" if label.sensitive else "no",
    }
    return all(not value or has[name] == value for name, value in wanted.items())


def in_order(catalogue: Catalogue) -> list[Label]:
    """The labels zone by zone and table by table, both in the order of the catalogue."""
    zones = {name: place for place, name in enumerate(catalogue.zones)}
    tables: dict[tuple[str, str], int] = {}
    for label in catalogue.labels:
        tables.setdefault((label.zone, label.table), len(tables))
    return sorted(catalogue.labels, key=lambda one: (zones[one.zone], tables[one.zone, one.table]))


def grouped(labels: list[Label], first: int) -> Iterable[TableOfColumns]:
    """The page that begins with the label numbered `first`, by table."""
    places: dict[tuple[str, str], list[Label]] = {}
    for label in labels[first : first + PAGE]:
        places.setdefault((label.zone, label.table), []).append(label)
    before = (labels[first - 1].zone, labels[first - 1].table) if 0 < first <= len(labels) else None
    for (zone, table), columns in places.items():
        yield TableOfColumns(zone, table, tuple(columns), (zone, table) == before)


def _table_names(catalogue: Catalogue, zone: str) -> dict[str, Bilingual]:
    """The tables to choose from, of one zone or of all, with the words of the first zone that has one."""
    names: dict[str, Bilingual] = {}
    for label in in_order(catalogue):
        if not zone or label.zone == zone:
            words = catalogue.zones[label.zone].tables.get(label.table, Bilingual(label.table, label.table))
            names.setdefault(label.table, words)
    if EVERY_TABLE in names:
        names[EVERY_TABLE] = Bilingual("每张表都有的列", "columns of every table")
    return names
