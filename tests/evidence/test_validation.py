"""A certificate says what a report of the tests says, and nothing that does not add up is taken for one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.validation import certificate, check_certificate, not_run

PROGRAM = "a" * 64


def report(*cases: tuple[str, str]) -> bytes:
    """A report with a case for each (module, outcome)."""
    bodies = {
        "passed": "",
        "failed": '<failure message="x"/>',
        "error": '<error message="x"/>',
        "skipped": "<skipped/>",
    }
    inside = "".join(
        f'<testcase classname="{module}" name="t{n}">{bodies[outcome]}</testcase>'
        for n, (module, outcome) in enumerate(cases)
    )
    return f'<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite>{inside}</testsuite></testsuites>'.encode()


def made(*cases: tuple[str, str]) -> dict[str, Any]:
    return certificate(report(*cases), PROGRAM, {"python": "3.11.7"}, "2026-11-23", {one for one, _ in cases})


def test_each_module_is_counted_and_the_whole_holds_when_nothing_failed() -> None:
    found = made(("tests.golden.b", "passed"), ("tests.golden.a", "passed"), ("tests.golden.a", "skipped"))
    assert [one["module"] for one in found["modules"]] == ["tests.golden.a", "tests.golden.b"]
    assert (found["passed"], found["failed"], found["skipped"], found["holds"]) == (2, 0, 1, True)
    assert found["program_sha256"] == PROGRAM and check_certificate(found) == found


@pytest.mark.parametrize("outcome", ["failed", "error"])
def test_one_failure_is_enough(outcome: str) -> None:
    found = made(*[("tests.golden.a", "passed")] * 50, ("tests.golden.a", outcome))
    assert (found["passed"], found["failed"], found["holds"]) == (50, 1, False)


def test_skipped_tests_alone_prove_nothing() -> None:
    assert not made(("tests.golden.a", "skipped"))["holds"]


@pytest.mark.parametrize("suite", [[], ["tests.golden.a", "tests.golden.z"]])
def test_a_suite_that_was_made_smaller_or_larger_afterwards_is_refused(suite: list[str]) -> None:
    document = made(("tests.golden.a", "passed"))
    with pytest.raises(PlatformError, match=r"validation\.certificate_unreadable"):
        check_certificate(document | {"suite": suite})


@pytest.mark.parametrize(
    "suite", [[], ["tests.golden.a", "tests.golden.b"]], ids=["no suite", "a module was left out"]
)
def test_a_part_of_the_suite_certifies_nothing(suite: list[str]) -> None:
    """One test picked out, or a module of which all was skipped."""
    found = certificate(
        report(("tests.golden.a", "passed"), ("tests.golden.b", "skipped")), PROGRAM, {}, "2026-11-23", suite
    )
    assert not found["holds"] and found["failed"] == 0
    assert not_run(found) == [one for one in suite if one != "tests.golden.a"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not xml", b"<testsuites/>", report(), b"<testcase name='x'/>", report(("a", "passed"))[:-9],
        b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites><testcase classname="a">&a;</testcase></testsuites>',
        "<testsuites>\udcff".encode("utf-8", "surrogateescape"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(PlatformError, match=r"validation\.report_unreadable"):
        certificate(content, PROGRAM, {}, "2026-11-23", ["a"])


def test_a_report_of_a_real_run_is_read(tmp_path: Any) -> None:
    """As pytest writes it today."""
    import subprocess
    import sys

    test = tmp_path / "test_two.py"
    test.write_text(
        "import pytest\ndef test_a(): pass\n@pytest.mark.skip\ndef test_b(): pass\ndef test_c(): assert 0\n"
    )
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=r.xml", str(test)],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    found = certificate((tmp_path / "r.xml").read_bytes(), PROGRAM, {}, "2026-11-23", ["test_two"])
    assert [(one["passed"], one["failed"], one["skipped"]) for one in found["modules"]] == [(1, 1, 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"failed": 0, "holds": True}, {"passed": 99}, {"holds": True}, {"program_sha256": "b" * 63},
        {"program_sha256": None}, {"modules": []}, {"modules": None}, {"format_version": 1}, {"surprise": 1},
            {"suite": "a"},
        {"made_on": "张伟"}, {"versions": []}, {"versions": {"python": ["张伟"]}}, {"versions": {"张 伟": "3"}},
        {"modules": [{"module": "a", "passed": True, "failed": 1, "skipped": 0}]},
        {"modules": [{"module": "a", "passed": 2, "failed": 1, "skipped": -1}], "passed": 2, "skipped": -1},
        {"modules": [{"module": "住院 110101199003070011", "passed": 1, "failed": 1, "skipped": 0}]},
        {"modules": [{"module": "a", "passed": 1, "failed": 1, "skipped": 0}] * 2, "passed": 2, "failed": 2},
    ],
)  # fmt: skip
def test_a_certificate_that_was_touched_is_refused(change: dict[str, Any]) -> None:
    document = made(("tests.golden.a", "passed"), ("tests.golden.a", "failed"))
    with pytest.raises(PlatformError, match=r"validation\.certificate_unreadable"):
        check_certificate({**copy.deepcopy(document), **change})


@pytest.mark.parametrize("document", [None, [], "x", 3, {}])
def test_what_is_no_certificate_is_refused(document: object) -> None:
    with pytest.raises(PlatformError, match=r"validation\.certificate_unreadable"):
        check_certificate(document)
