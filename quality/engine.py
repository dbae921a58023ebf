"""The quality check: one pass per table through the query engine, judged by Great Expectations.

Ibis on DuckDB counts, for every rule and hospital, the rows that the rule speaks about and those that fail.
Great Expectations then validates the counts: one row for all hospitals together and one for each, with the
share of rows that keep a rule in the rule's column. A rule that speaks about no row is "not applicable",
never "pass".
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from quality.checks import Judged, judged_tables
from quality.suite import Rule, Suite
from rwd_platform.core.columns import ORGANISATION_ID

Outcome = Literal["pass", "fail", "not_applicable"]


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule in one hospital's rows, or in all (`organisation_id` None).

    `rows` of the table were looked at, the rule spoke about `applicable` of them, and `failing` broke it.
    """

    table: str
    rule: str
    organisation_id: str | None
    rows: int
    applicable: int
    failing: int
    outcome: Outcome


@dataclass(frozen=True)
class QualityReport:
    """Every rule's result, for all hospitals together first, then for each, by name."""

    suites: tuple[Suite, ...]
    results: tuple[RuleResult, ...]

    @property
    def organisations(self) -> tuple[str, ...]:
        return tuple(sorted({result.organisation_id for result in self.results if result.organisation_id}))

    def rule(self, rule_id: str) -> Rule:
        return next(rule for suite in self.suites for rule in suite.rules if rule.id == rule_id)

    def of(self, table: str, organisation_id: str | None = None) -> tuple[RuleResult, ...]:
        return tuple(
            result
            for result in self.results
            if (result.table, result.organisation_id) == (table, organisation_id)
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values: suites with their hashes, rules with their texts, results."""
        return {
            "suites": [
                {
                    "table": suite.table,
                    "version": suite.version,
                    "sha256": suite.sha256,
                    **_texts(suite.title),
                }
                for suite in self.suites
            ],
            "rules": [
                {
                    "id": rule.id,
                    "table": rule.table,
                    "kahn": rule.kahn,
                    "context": rule.context,
                    "mostly": rule.mostly,
                    "row_action": "quarantine" if rule.holds_rows_back else "keep",
                    **_texts(rule.text),
                }
                for suite in self.suites
                for rule in suite.rules
            ],
            "results": [asdict(result) for result in self.results],
        }


def _texts(text: Any) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def check_tables(tables: Mapping[str, pd.DataFrame], suites: Mapping[str, Suite]) -> QualityReport:
    """Check lake tables against their suites. A table without rows, or that is not there, passes nothing."""
    with judged_tables(tables, suites) as judged:
        counted = {name: _count(judged[name]) for name in sorted(judged)}
    organisations = sorted({name for counts in counted.values() for name in counts.index})
    results: list[RuleResult] = []
    for table, counts in counted.items():
        results += _results(suites[table], counts, organisations)
    return QualityReport(tuple(suites[name] for name in sorted(suites)), tuple(results))


def _count(judged: Judged) -> pd.DataFrame:
    """One pass over a table: a row a hospital; `rows`, and two counts for every rule."""
    rows, counts = judged.rows, {"rows": judged.rows.count()}
    for number in range(len(judged.suite.rules)):
        for name in (Judged.applies(number), Judged.fails(number)):
            counts[name] = rows[name].sum()
    counted: pd.DataFrame = rows.group_by(ORGANISATION_ID).aggregate(**counts).execute()
    return counted.set_index(ORGANISATION_ID).sort_index().astype("int64")


def _results(suite: Suite, counts: pd.DataFrame, organisations: Sequence[str]) -> list[RuleResult]:
    scopes: dict[str | None, pd.Series[Any]] = {None: counts.sum()}
    nothing = counts.sum() * 0
    for name in organisations:
        scopes[name] = counts.T[name] if name in counts.index else nothing
    kept = {
        rule.id: [_share_kept(count, number) for count in scopes.values()]
        for number, rule in enumerate(suite.rules)
    }
    broken = _broken(suite, pd.DataFrame(kept, dtype="float64"))
    results = []
    for position, (organisation, count) in enumerate(scopes.items()):
        for number, rule in enumerate(suite.rules):
            applicable, failing = int(count[Judged.applies(number)]), int(count[Judged.fails(number)])
            outcome: Outcome = "fail" if (rule.id, position) in broken else "pass"
            results.append(
                RuleResult(
                    table=suite.table,
                    rule=rule.id,
                    organisation_id=organisation,
                    rows=int(count["rows"]),
                    applicable=applicable,
                    failing=failing,
                    outcome=outcome if applicable else "not_applicable",
                )
            )
    return results


def _share_kept(count: pd.Series[Any], number: int) -> float | None:
    applicable, failing = count[Judged.applies(number)], count[Judged.fails(number)]
    return float((applicable - failing) / applicable) if applicable else None


def _broken(suite: Suite, kept: pd.DataFrame) -> set[tuple[str, int]]:
    """(rule id, row of `kept`) wherever Great Expectations finds a smaller share than the rule wants."""
    gx = _great_expectations()
    spoken = [rule for rule in suite.rules if kept[rule.id].notna().any()]
    if not spoken:
        return set()
    expectations = gx.ExpectationSuite(
        name=suite.table,
        expectations=[
            gx.expectations.ExpectColumnValuesToBeBetween(
                column=rule.id,
                min_value=rule.mostly,
                max_value=1,
                meta={"rule": rule.id, "kahn": rule.kahn, "context": rule.context},
            )
            for rule in spoken
        ],
        meta={"version": suite.version, "sha256": suite.sha256},
    )
    # A context a table: it keeps what it was shown, and nothing of one check belongs to the next.
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset(suite.table)
    batch = asset.add_batch_definition_whole_dataframe("counts").get_batch({"dataframe": kept})
    validation = batch.validate(expectations, result_format="COMPLETE")
    broken: set[tuple[str, int]] = set()
    for result in validation.results:
        if result.exception_info.get("raised_exception", False):
            raise RuntimeError(
                f"Great Expectations could not judge {result.expectation_config.kwargs['column']}"
            )
        rule_id = result.expectation_config.kwargs["column"]
        broken |= {(rule_id, int(row)) for row in result.result["unexpected_index_list"] or ()}
    return broken


@functools.cache
def _great_expectations() -> Any:
    """Imported on first use: it takes seconds. It is told to send nothing before it can begin to."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations
