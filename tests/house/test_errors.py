"""Every error says what happened and what to do next, in both languages, under one code."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import string
from pathlib import Path

import pytest

from rwd_platform.core.errors import PROBLEMS, Exit, PlatformError, Problem

PACKAGES = ("rwd_platform", "ingestion", "deidentify", "quality", "studies")
HAN = re.compile(r"[\u4e00-\u9fff]")
SKIPPED = ("migrations", ".templates")


def every_problem() -> list[Problem]:
    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not any(part in module.name for part in SKIPPED):
                importlib.import_module(module.name)
    return [PROBLEMS[code] for code in sorted(PROBLEMS)]


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_problem_is_complete_in_both_languages() -> None:
    problems = every_problem()
    assert len(problems) > 40, "the registry must see the rooms' problems too"
    for problem in problems:
        assert HAN.search(problem.zh), problem.code
        assert HAN.search(problem.next_zh), problem.code
        assert not HAN.search(problem.en), problem.code
        assert problem.next_en, problem.code
        assert re.fullmatch(r"[a-z_0-9]+\.[a-z_0-9]+", problem.code), problem.code
        assert 400 <= problem.http < 600, problem.code
        assert problem.exit is not Exit.YES, problem.code


def test_both_languages_name_the_same_details() -> None:
    """A place or name that stands in one language is not missing from the other (`why` has a Chinese twin)."""
    for problem in every_problem():
        zh = {re.sub(r"_?zh$", "", name) for name in fields(problem.zh) | fields(problem.next_zh)}
        en = {re.sub(r"_?en$", "", name) for name in fields(problem.en) | fields(problem.next_en)}
        assert zh == en, problem.code


def test_two_problems_cannot_share_a_code() -> None:
    every_problem()
    code = sorted(PROBLEMS)[0]
    with pytest.raises(ValueError, match=code):
        Problem(code=code, zh="别的", en="something else", next_zh="无", next_en="none")


def test_an_error_carries_its_details_into_all_four_texts() -> None:
    problem = Problem(
        code="test.detail",
        zh="第 {line} 行",
        en="line {line}",
        next_zh="改第 {line} 行",
        next_en="mend line {line}",
    )
    try:
        error = problem.error(line=7)
    finally:
        del PROBLEMS["test.detail"]
    assert isinstance(error, PlatformError)
    assert (error.zh, error.en, error.next_zh, error.next_en) == (
        "第 7 行",
        "line 7",
        "改第 7 行",
        "mend line 7",
    )


def test_no_test_declares_a_problem_that_outlives_it() -> None:
    """Problems are one register per process: one declared by a test would stand in the pages that another checks."""
    tests = Path(__file__).resolve().parents[1]
    for file in sorted(tests.rglob("*.py")):
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            declares = isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(
                statement.value, ast.Call
            )
            name = getattr(statement.value.func, "id", "") if declares else ""
            assert name != "Problem", f"{file.relative_to(tests)}:{statement.lineno}"
