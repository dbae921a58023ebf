"""Great Expectations judges the counts: one row for all hospitals together and one for each.

In a rule's column stands the share that kept the rule, or the drift that was measured; the expectation is that
it lies within the rule's threshold. Where the rule spoke about nothing there is no value, and no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from quality.expectations import COUNTS, great_expectations, gx_suite
from quality.rules import Rule, Suite


@dataclass(frozen=True)
class Judgement:
    """(rule id, place of the scope) of what broke its threshold; and the rules that could not be judged."""

    broken: frozenset[tuple[str, int]] = frozenset()
    raised: frozenset[str] = field(default_factory=frozenset)


def judge_counts(suite: Suite, measured: Mapping[str, Sequence[float | None]]) -> Judgement:
    """`measured`: by rule, a share kept (0 to 1) or a drift for each scope, None where nothing was asked."""
    frame = pd.DataFrame(dict(measured), dtype="float64")
    spoken = [rule for rule in suite.rules if rule.id in frame and frame[rule.id].notna().any()]
    asked = {rule.id: _Asked(suite.sha256, rule, tuple(map(repr, frame[rule.id]))) for rule in spoken}
    answers = {rule.id: _KNOWN[asked[rule.id]] for rule in spoken if asked[rule.id] in _KNOWN}
    raised: set[str] = set()
    for result in _answers(suite, frame, [rule for rule in spoken if rule.id not in answers]):
        rule_id = result.expectation_config.meta["rule"]
        if has_raised(result):
            raised.add(rule_id)
        else:
            answers[rule_id] = frozenset(map(int, result.result["unexpected_index_list"] or ()))
            _keep(asked[rule_id], answers[rule_id])
    broken = {(rule_id, row) for rule_id, rows in answers.items() for row in rows}
    return Judgement(frozenset(broken), frozenset(raised))


@dataclass(frozen=True)
class _Asked:
    """Everything that the answer on one rule's counts follows from."""

    suite_sha256: str
    rule: Rule
    counts: tuple[str, ...]


# What Great Expectations answered before. To ask it costs 30 ms a rule, and of most rules nothing changes from one
# upload to the next.
_KNOWN: dict[_Asked, frozenset[int]] = {}
_MOST_KNOWN = 20_000


def _keep(asked: _Asked, rows: frozenset[int]) -> None:
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[asked] = rows


def _answers(suite: Suite, frame: pd.DataFrame, rules: Sequence[Rule]) -> Sequence[Any]:
    if not rules:
        return ()
    found: Sequence[Any] = validate(frame, gx_suite(suite, COUNTS, rules), "COMPLETE").results
    return found


def validate(frame: pd.DataFrame, expectations: Any, result_format: str) -> Any:
    """Great Expectations' own answer on a data frame, in a context that is used once."""
    gx = great_expectations()
    # A context a table: it keeps what it was shown, and nothing of one check belongs to the next.
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    return batch.validate(expectations, result_format=result_format)


def has_raised(result: Any) -> bool:
    """An expectation that stopped says so at the top of its answer, or once for each metric."""
    found = result.exception_info
    if "raised_exception" in found:
        return bool(found["raised_exception"])
    return any(one.get("raised_exception") for one in found.values() if isinstance(one, dict))
