"""The public test suite of SQL on FHIR, run against our compiler: `rwd views conform`.

A test passes when the rows are the expected ones whatever their order, when the columns are in the
expected order, or when a view that must be refused is refused.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingestion.views.compiler import compile_view
from rwd_platform.core.errors import PlatformError, Problem

NOT_A_SUITE = Problem(
    code="views.not_a_suite",
    zh="{name} 不是 SQL on FHIR 测试集：{why_zh}。",
    en="{name} is not a SQL on FHIR test suite: {why_en}.",
    next_zh="请给出存放测试 JSON 文件的文件夹。",
    next_en="Name the folder that holds the suite's JSON files.",
)

Report = dict[str, dict[str, list[dict[str, Any]]]]


def run_suite(folder: Path | str) -> Report:
    """The suite's official report: file name -> `{"tests": [{"name", "result": {"passed", "reason"?}}]}`."""
    folder = Path(folder)
    files = sorted(folder.glob("*.json"))
    if not files:
        raise NOT_A_SUITE.error(name=folder.name, why_zh="没有 JSON 文件", why_en="it holds no JSON file")
    return {file.name: {"tests": _run_file(file)} for file in files}


def counts(report: Report) -> tuple[int, int]:
    """(passed, all)."""
    results = [test["result"]["passed"] for file in report.values() for test in file["tests"]]
    return sum(results), len(results)


def _run_file(file: Path) -> list[dict[str, Any]]:
    try:
        # Decimals keep their digits: the boundary of 1.0 is not that of 1.
        suite = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
        resources, tests = suite["resources"], suite["tests"]
        return [_run_test(test, resources) for test in tests]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NOT_A_SUITE.error(
            name=file.name, why_zh="内容不是测试集的格式", why_en="its content is not laid out as a suite"
        ) from None


def _run_test(test: dict[str, Any], resources: list[dict[str, Any]]) -> dict[str, Any]:
    reason = _why_failed(test, resources)
    result: dict[str, Any] = {"passed": reason is None}
    if reason is not None:
        result["reason"] = reason
    return {"name": test["title"], "result": result}


def _why_failed(test: dict[str, Any], resources: list[dict[str, Any]]) -> str | None:
    """None when the test passed."""
    try:
        view = compile_view(test["view"])
        rows = [row for resource in resources for row in view.rows(resource)]
    except PlatformError as error:
        return None if test.get("expectError") else str(error)
    if test.get("expectError"):
        return "the view was accepted, an error was expected"
    columns = [column.name for column in view.columns]
    if "expectColumns" in test and columns != test["expectColumns"]:
        return f"columns are {columns}, expected {test['expectColumns']}"
    if "expectCount" in test and len(rows) != test["expectCount"]:
        return f"{len(rows)} rows, expected {test['expectCount']}"
    if "expect" in test and sorted(map(_comparable, rows)) != sorted(map(_comparable, test["expect"])):
        return f"{len(rows)} rows differ from the {len(test['expect'])} expected"
    return None


def _comparable(value: Any) -> str:
    """Text that is equal for equal rows: keys sorted, numbers by value (1, 1.0 and 1.00 are one number)."""
    if isinstance(value, dict):
        inside = ",".join(f"{key}:{_comparable(value[key])}" for key in sorted(value))
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_comparable, value))}]"
    if isinstance(value, int | Decimal | float) and not isinstance(value, bool):
        return format(Decimal(str(value)).normalize(), "f")
    return json.dumps(value, ensure_ascii=False)
