"""A certificate: which tests hold these programs to results that others computed, and that they passed.

It is made of a test run's own report (JUnit XML), for the exact programs that were tested. A package carries it only
where the programs that made the package are those.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from rwd_platform.core.errors import Exit, Problem

FORMAT_VERSION = 2
VALIDATION_JSON = "data/07_code/validation.json"
LARGEST_REPORT = 64 * 1024 * 1024  # bytes
_COUNTS = ("passed", "failed", "skipped")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAME = re.compile(r"[A-Za-z0-9._+-]{1,200}")  # of a module, a package, a version
_KEYS = {
    "format_version",
    "program_sha256",
    "made_on",
    "versions",
    "suite",
    "modules",
    "passed",
    "failed",
    "skipped",
    "holds",
}

REPORT_UNREADABLE = Problem(
    code="validation.report_unreadable",
    zh="测试报告无法读取：应为测试程序写出的 JUnit XML，且至少有一项测试。",
    en="The report of the tests cannot be read: JUnit XML as the test program writes it, with one test at least, is "
    "expected.",
    next_zh="请运行 `./run validate`，它会运行测试并写出报告。",
    next_en="Run `./run validate`: it runs the tests and writes the report.",
    exit=Exit.MALFORMED,
)
CERTIFICATE_UNREADABLE = Problem(
    code="validation.certificate_unreadable",
    zh="验证证书无法读取，或其中的合计与明细不符。",
    en="The certificate cannot be read, or its totals are not those of its modules.",
    next_zh="请使用 `./run validate` 写出的文件，不要修改。",
    next_en="Use the file that `./run validate` wrote, unchanged.",
    exit=Exit.MALFORMED,
)


@dataclass
class _Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def certificate(
    report: bytes, program: str, versions: Mapping[str, str], made_on: str, suite: Collection[str]
) -> dict[str, Any]:
    """The certificate as JSON values. `program`: studies.evidence.code.program_sha256; `made_on`: YYYY-MM-DD; `suite`:
    the modules that must have been run.

    It holds where no test failed and of each module of the suite one passed at least: a part of the suite certifies
    nothing, and skipped tests prove nothing. Raises `validation.report_unreadable`.
    """
    modules: dict[str, _Counts] = {}
    for case in _cases(report):
        counts = modules.setdefault(case.get("classname", ""), _Counts())
        outcome = {child.tag for child in case}
        if outcome & {"failure", "error"}:
            counts.failed += 1
        elif "skipped" in outcome:
            counts.skipped += 1
        else:
            counts.passed += 1
    if not modules or "" in modules:
        raise REPORT_UNREADABLE.error()
    listed = [
        {"module": name, "passed": one.passed, "failed": one.failed, "skipped": one.skipped}
        for name, one in sorted(modules.items())
    ]
    totals = _totals(listed)
    return {
        "format_version": FORMAT_VERSION,
        "program_sha256": program,
        "made_on": made_on,
        "versions": dict(sorted(versions.items())),
        "suite": sorted(suite),
        "modules": listed,
        **totals,
        "holds": _holds(listed, suite),
    }


def check_certificate(document: object) -> dict[str, Any]:
    """The same document, if its totals are those of its modules. Raises `validation.certificate_unreadable`."""
    if not isinstance(document, dict) or set(document) != _KEYS or not _is_well_formed(document):
        raise CERTIFICATE_UNREADABLE.error()
    totals = _totals(document["modules"])
    holds = _holds(document["modules"], document["suite"])
    if any(document[name] != count for name, count in totals.items()) or document["holds"] is not holds:
        raise CERTIFICATE_UNREADABLE.error()
    return document


def not_run(document: Mapping[str, Any]) -> list[str]:
    """Modules of the suite of which no test passed."""
    passed = {one["module"] for one in document["modules"] if one["passed"]}
    return sorted(set(document["suite"]) - passed)


def _is_well_formed(document: Mapping[str, Any]) -> bool:
    """Names and counts and nothing else: it goes into packages, and its words were never looked at."""
    versions, modules = document["versions"], document["modules"]
    return (
        document["format_version"] == FORMAT_VERSION
        and _fits(_SHA256, document["program_sha256"])
        and _fits(_DAY, document["made_on"])
        and isinstance(versions, dict)
        and all(_fits(_NAME, name) and _fits(_NAME, one) for name, one in versions.items())
        and isinstance(document["suite"], list)
        and all(_fits(_NAME, one) for one in document["suite"])
        and isinstance(modules, list)
        and all(isinstance(one, dict) and set(one) == {"module", *_COUNTS} for one in modules)
        and all(
            _fits(_NAME, one["module"]) and all(_is_count(one[name]) for name in _COUNTS) for one in modules
        )
        and len({one["module"] for one in modules}) == len(modules)
    )


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _totals(modules: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(one[name] for one in modules) for name in _COUNTS}


def _holds(modules: list[dict[str, Any]], suite: Collection[str]) -> bool:
    failed = any(one["failed"] for one in modules)
    return bool(suite) and not failed and not not_run({"modules": modules, "suite": suite})


def _cases(report: bytes) -> list[ElementTree.Element]:
    """Entities are never expanded: a report has none."""
    if len(report) > LARGEST_REPORT or b"<!DOCTYPE" in report or b"<!ENTITY" in report:
        raise REPORT_UNREADABLE.error()
    try:
        root = ElementTree.fromstring(report)  # noqa: S314 - no document type gets here
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise REPORT_UNREADABLE.error() from error
    return list(root.iter("testcase"))
