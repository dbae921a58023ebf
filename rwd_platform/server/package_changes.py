"""Two versions of a package beside each other, in words: results, analyses not done, what people said, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.package_changes import Compared
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Study
from rwd_platform.server.releases import names_in, place_label
from rwd_platform.server.results import in_both

if TYPE_CHECKING:
    from studies.evidence.changed_rows import RowFact

MOST_ROWS = 300  # of one sort on the page; the rest is counted, and the API has it all

SAME: Mapping[str, Bilingual] = {
    "protocol_sha256": Bilingual("研究方案", "Protocol"),
    "lock_id": Bilingual("数据锁定", "Data lock"),
    "results_sha256": Bilingual("分析结果", "Results"),
}


@dataclass(frozen=True)
class Row:
    """A result, an analysis or a file. `before` and `after`: texts of both sides, None where a side has none or where
    two sides are not shown beside each other.
    """

    kind: str  # added, removed, changed
    name: Bilingual
    id: str
    before: Bilingual | None = None
    after: Bilingual | None = None


@dataclass(frozen=True)
class Sort:
    """Rows of one sort, cut to what a page holds; `more` are left out."""

    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    more: int


@dataclass(frozen=True)
class ChangesView:
    compared: Compared
    same: tuple[tuple[Bilingual, bool], ...]
    rows: tuple[RowFact, ...]  # tier, and whom rows are sealed to
    unchanged: int
    with_values: bool
    results: Sort
    not_done: Sort
    statements: Sort
    files: Sort


def view(platform: Platform, compared: Compared) -> ChangesView:
    from studies.evidence.changed_rows import row_facts

    found = compared.changes
    names = names_in(platform.records.find(Study, compared.after.study_id))
    results, lists = found["results"], (found["not_done"], found["files"])
    with_values = compared.after.audience != "aggregate"
    return ChangesView(
        compared=compared,
        same=tuple((words, bool(found["same"][name])) for name, words in SAME.items()),
        rows=row_facts(found["rows"]),
        unchanged=results["unchanged"],
        with_values=with_values,
        results=_sort([row for kind in KINDS for row in _results(kind, results[kind], names, with_values)]),
        not_done=_sort(
            [_not_done(kind, id, names, compared.reasons) for kind in KINDS for id in lists[0][kind]]
        ),
        statements=_sort([_statement(kind, one) for kind in KINDS for one in compared.statements[kind]]),
        files=_sort([Row(kind, Bilingual(one, one), one) for kind in KINDS for one in lists[1][kind]]),
    )


KINDS = ("changed", "added", "removed")


def _sort(rows: Sequence[Row]) -> Sort:
    counts = {kind: sum(one.kind == kind for one in rows) for kind in KINDS}
    return Sort(tuple(rows[:MOST_ROWS]), counts, max(0, len(rows) - MOST_ROWS))


def _results(
    kind: str, found: Sequence[Mapping[str, Any]], names: Mapping[str, Bilingual], with_values: bool
) -> list[Row]:
    rows = []
    for one in found:
        sides = {"changed": ("before", "after"), "added": ("after",), "removed": ("before",)}[kind]
        texts = {
            side: _value(one[side] if kind == "changed" else one, str(one["unit"]))
            for side in sides
            if with_values
        }
        id = str(one["id"])
        rows.append(Row(kind, place_label(id, names), id, texts.get("before"), texts.get("after")))
    return rows


def _value(shown: Mapping[str, Any], unit: str) -> Bilingual:
    from studies.evidence.changes import value_text

    text = value_text(shown, unit)
    behind = [
        Bilingual(f"{zh}\u00a0{shown[name]:,}", f"{en}\u00a0{shown[name]:,}")  # a count stays by its name
        for name, zh, en in (("n", "n", "n"), ("events", "结局", "events"))
        if shown[name] is not None
    ]
    return Bilingual(
        " · ".join((text, *(one.zh for one in behind))), " · ".join((text, *(one.en for one in behind)))
    )


def _not_done(kind: str, id: str, names: Mapping[str, Bilingual], reasons: Mapping[str, str]) -> Row:
    """New among what was not done, or done now: the reason is the side's where it was not done."""
    why = in_both(reasons[id]) if id in reasons else None
    return Row(kind, place_label(id, names), id, *((why, None) if kind == "removed" else (None, why)))


def _statement(kind: str, one: Mapping[str, Any]) -> Row:
    sides = (Bilingual(**said) if (said := one[side]) else None for side in ("before", "after"))
    return Row(kind, Bilingual(**one["asks"]), str(one["id"]), *sides)
