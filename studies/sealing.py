"""Which results may be read before unsealing, and which wait: `sealing.toml` says so method by method.

Pure: results and the planned methods in, the open part out. What is sealed is not cut out of the results but left out
of a copy, so that the whole can be kept as it was computed and compared byte for byte when it is unsealed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.protocol import Protocol
from studies.results import ArdRow, ResultSet

POLICY = Path(__file__).with_suffix(".toml")
_ALL = "all"
# Of a row of a method that is open in part; every other field, `events` first of all, waits with the rest.
_KEPT = frozenset(
    {
        "id", "analysis", "method", "group", "variable", "statistic", "value", "unit", "ci_low", "ci_high", "ci_level",
        "n", "variables", "row_set", "data_hash", "engine", "engine_version", "warnings",
    }
)  # fmt: skip
_LEFT_OUT: Mapping[str, Any] = {one.name: one.default for one in fields(ArdRow) if one.name not in _KEPT}


@dataclass(frozen=True)
class Rule:
    """
    statistics -- those that are open; None: everything of the method is, but for
    closed     -- statistics that wait all the same
    diagnostic -- has to be there before anybody can ask for unsealing
    why        -- one sentence
    needs      -- methods that the same population needs before this one's results are unsealed, and
    controlled -- further ones where the result is adjusted or weighted
    """

    statistics: frozenset[str] | None
    diagnostic: bool
    why: Bilingual
    needs: tuple[str, ...] = ()
    controlled: tuple[str, ...] = ()
    closed: frozenset[str] = frozenset()

    @property
    def opens_all(self) -> bool:
        """Its series and its reasons too."""
        return self.statistics is None


@dataclass(frozen=True)
class Policy:
    """`methods` by name, `families` by the first word of a method's name, `always` by the analysis that a run adds."""

    methods: Mapping[str, Rule]
    families: Mapping[str, Rule]
    always: Mapping[str, Rule]

    def of_method(self, method: str) -> Rule:
        """A method that nobody decided about is sealed. Its own line goes before its family's."""
        if method in self.methods:
            return self.methods[method]
        family = next((one for one in self.families if method == one or method.startswith(f"{one}_")), "")
        return self.families[family] if family else _SEALED


_SEALED = Rule(
    frozenset(), False, Bilingual("没有规则允许公开的内容一律封存。", "What no line opens is sealed.")
)


@cache
def load_policy() -> Policy:
    read = tomllib.loads(POLICY.read_text(encoding="utf-8"))
    return Policy(*(_rules(read[name]) for name in ("methods", "families", "always")))


def _rules(read: Mapping[str, Any]) -> Mapping[str, Rule]:
    return {
        name: Rule(
            None if one["open"] == _ALL else frozenset(one["open"]),
            one.get("diagnostic", False),
            Bilingual(one["zh"], one["en"]),
            tuple(one.get("needs", ())),
            tuple(one.get("needs_controlled", ())),
            frozenset(one.get("closed", ())),
        )
        for name, one in read.items()
    }


def planned_methods(protocol: Protocol) -> dict[str, str]:
    """Planned analysis -> its method, in the protocol's order."""
    return {one.id: one.method for one in protocol.analyses}


def sealed_analyses(planned: Mapping[str, str]) -> tuple[str, ...]:
    """The planned analyses of which something is sealed, in the protocol's order.

    Told by what is planned and not by what came out: whether an analysis could be done is sealed too.
    """
    return tuple(id for id, method in planned.items() if not load_policy().of_method(method).opens_all)


def diagnostic_analyses(planned: Mapping[str, str]) -> tuple[str, ...]:
    """The planned analyses that have to be there before anybody can ask for unsealing."""
    return tuple(id for id, method in planned.items() if load_policy().of_method(method).diagnostic)


def open_part(results: ResultSet, planned: Mapping[str, str]) -> ResultSet:
    """The results without what is sealed. `planned`: planned analysis -> method (`planned_methods`).

    Made anew of what is known to be open: a field that results gain later stays out until somebody decides. Of the
    row sets, whose sizes stand in results, those stay that an open row or series names.
    """
    rows = tuple(row for one in results.rows if (row := _open_row(one, planned)) is not None)
    series = tuple(one for one in results.series if _rule_of(one.analysis, planned).opens_all)
    named = {one.row_set for one in rows} | {one.row_set for one in series}
    return ResultSet(
        study=results.study,
        protocol_sha256=results.protocol_sha256,
        lock_id=results.lock_id,
        rows=rows,
        series=series,
        row_sets={name: ids for name, ids in results.row_sets.items() if name in named},
        not_done={id: why for id, why in results.not_done.items() if _is_open_reason(id, planned)},
    )


def _rule_of(analysis: str, planned: Mapping[str, str]) -> Rule:
    """A plan that takes the name of something open, `attrition` for a Cox model, is still judged by its method."""
    if analysis in planned:
        return load_policy().of_method(planned[analysis])
    return load_policy().always.get(analysis, _SEALED)


def _open_row(row: ArdRow, planned: Mapping[str, str]) -> ArdRow | None:
    rule = _rule_of(row.analysis, planned)
    if row.statistic in rule.closed:
        return None
    if rule.statistics is None:
        return row
    return replace(row, **_LEFT_OUT) if row.statistic in rule.statistics else None


def _is_open_reason(id: str, planned: Mapping[str, str]) -> bool:
    """Of an analysis, or of a part of one (`all.crude.ph`): open if everybody whose part it can be is open."""
    behind = [planned[one] for one in planned if id == one or id.startswith(f"{one}.")]
    return bool(behind) and all(load_policy().of_method(method).opens_all for method in behind)
