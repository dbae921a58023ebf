"""Forty checks on a million rows, against stock Great Expectations on the same data frame: a ratio within one run.

    ./run bench quality

The rows are made from a seed. Both sides answer the same forty expectations, and their counts of failing rows
are compared. Seconds are of this process's CPU over all its threads, so that what else runs on the machine
weighs on neither side; the import of Great Expectations is on neither side's account.
"""

from __future__ import annotations

import time
from typing import Any

ROWS, SEED = 1_000_000, 20
_CODES = ("718-7", "6690-2", "777-3", "1742-6", "2823-3", "8480-6")
_HEAD = """
format_version: 2
table: measurement
version: 1
title: {zh: 检测, en: Measurements}
columns: {patient_id: string, code: code, value: decimal, unit_code: code, status: code, effective_date: date}
rules: []
"""


def run() -> None:
    from quality.engine import check_tables
    from quality.expectations import gx_suite
    from quality.judgement import validate
    from quality.rules import Suite

    frame, suite = _frame(), _suite()
    suites: dict[str, Suite] = {"measurement": suite}
    expectations = gx_suite(suite)
    check_tables({"measurement": frame.head(1000)}, suites)  # the first pass imports
    validate(frame.head(1000), expectations, "SUMMARY")
    began = time.process_time()
    report = check_tables({"measurement": frame}, suites)
    ours = time.process_time() - began
    began = time.process_time()
    answers = validate(frame, expectations, "SUMMARY").results
    stock = time.process_time() - began
    counted = {one.rule: one.failing for one in report.of("measurement")}
    theirs = {one.expectation_config.meta["rule"]: one.result["unexpected_count"] for one in answers}
    agree = sum(counted[rule] == theirs[rule] for rule in counted)
    print(
        f"quality: {len(counted)} checks on {ROWS:,} rows: {ours:.2f} s CPU; stock Great Expectations on pandas"
        f" {stock:.2f} s; {stock / ours:.1f} times as fast; {agree} of {len(counted)} counts agree"
    )


def _frame() -> Any:
    import numpy as np
    import pandas as pd

    source = np.random.default_rng(SEED)

    def some(values: tuple[str | None, ...], weights: tuple[float, ...]) -> Any:
        picked = source.choice(len(values), ROWS, p=weights)
        return pd.Series(np.array(values, dtype=object)[picked])

    days = pd.Series(np.datetime64("2020-01-01") + source.integers(0, 2000, ROWS)).dt.strftime("%Y-%m-%d")
    days = days.astype(object).copy()
    days[source.random(ROWS) < 0.001] = "2021-02-30"
    value = pd.Series(source.lognormal(3, 1.5, ROWS))
    value[source.random(ROWS) < 0.01] = np.nan
    return pd.DataFrame(
        {
            "organisation_id": some(("a", "b", "c"), (0.5, 0.3, 0.2)),
            "upload_id": some(("u1", "u2"), (0.5, 0.5)),
            "patient_id": pd.Series(source.integers(0, ROWS // 20, ROWS)).map("p{}".format),
            "code": some(_CODES, (0.2, 0.2, 0.2, 0.2, 0.1, 0.1)),
            "value": value,
            "unit_code": some(("g/L", "mmol/L", "zz", None), (0.5, 0.48, 0.01, 0.01)),
            "status": some(("final", "amended", "zz", None), (0.9, 0.08, 0.01, 0.01)),
            "effective_date": days,
        }
    )


def _suite() -> Any:
    """Forty rules: six for each of six codes, and four for all."""
    from dataclasses import replace

    from quality.rules import Rule
    from quality.suite import parse_suite
    from rwd_platform.core.text import Bilingual

    def rule(name: str, kind: str, column: str, **more: Any) -> Rule:
        place = "measurement", kind, "plausibility", "verification"
        return Rule(
            f"measurement.{name}", *place, Bilingual("错。", "Wrong."), column=column, mostly=0.99, **more
        )

    rules = [
        rule("status_present", "not_null", "status"),
        rule("status_code", "in_set", "status", values=("final", "amended")),
        rule("code_form", "regex", "code", pattern=r"^\d{1,5}-\d$"),
        rule("date_valid", "date", "effective_date"),
    ]
    for number, code in enumerate(_CODES):
        where = {"where": (("code", code),)}
        rules += [
            rule(f"{number}.value_present", "not_null", "value", **where),
            rule(f"{number}.unit_present", "not_null", "unit_code", **where),
            rule(f"{number}.range", "range", "value", min=0.5, max=500.0, **where),
            rule(f"{number}.unit", "in_set", "unit_code", values=("g/L", "mmol/L"), **where),
            rule(f"{number}.unit_form", "regex", "unit_code", pattern=r"^[a-z]+/L$", **where),
            rule(f"{number}.date", "date", "effective_date", **where),
        ]
    return replace(parse_suite(_HEAD), rules=tuple(rules))
