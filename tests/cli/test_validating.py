"""`rwd validation certify` and `record`: from a report of the tests to a certificate that packages carry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rwd_platform.flows.platform import open_platform
from rwd_platform.flows.validation import validation_of
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd, is_chinese
from tests.evidence.test_validation import report


@pytest.fixture
def suite(tmp_path: Path) -> str:
    """The folder of two modules of tests."""
    folder = tmp_path / "tests" / "golden"
    folder.mkdir(parents=True)
    for name in (
        "tests/__init__.py",
        "tests/golden/__init__.py",
        "tests/golden/test_a.py",
        "tests/golden/test_b.py",
    ):
        (tmp_path / name).touch()
    return str(folder)


@pytest.fixture
def junit(tmp_path: Path) -> Path:
    path = tmp_path / "junit.xml"
    path.write_bytes(
        report(
            ("tests.golden.test_a", "passed"),
            ("tests.golden.test_b", "passed"),
            ("tests.golden.test_b", "skipped"),
        )
    )
    return path


def test_a_report_becomes_a_certificate_and_goes_on_record(
    rwd: Rwd, home: Path, junit: Path, suite: str, tmp_path: Path
) -> None:
    made = tmp_path / "certificate.json"
    answer = rwd("validation", "certify", str(junit), "--suite", suite, "--out", str(made), "--json")
    assert answer.code == 0 and answer.document == json.loads(made.read_text(encoding="utf-8"))
    assert {"python", "numpy", "lifelines"} <= set(answer.document["versions"])
    recorded = rwd("validation", "record", str(made), "--json")
    assert recorded.code == 0 and recorded.document["program"] == answer.document["program_sha256"]
    platform = open_platform(Settings())
    assert validation_of(platform) == answer.document
    platform.records.engine.dispose()


def test_a_failed_test_is_said_by_module_and_nothing_is_recorded(
    rwd: Rwd, home: Path, suite: str, tmp_path: Path
) -> None:
    junit, made = tmp_path / "junit.xml", tmp_path / "certificate.json"
    junit.write_bytes(report(("tests.golden.test_a", "passed"), ("tests.golden.test_b", "failed")))
    answer = rwd("validation", "certify", str(junit), "--suite", suite, "--out", str(made))
    assert answer.code == 1 and b"tests.golden.test_b: 1" in answer.stdout and made.exists()
    refused = rwd("validation", "record", str(made), "--json")
    assert refused.code == 3 and refused.document["error"]["code"] == "validation.does_not_hold"


def test_a_suite_that_was_run_in_part_does_not_hold_and_says_what_is_left(
    rwd: Rwd, home: Path, suite: str, tmp_path: Path
) -> None:
    junit, made = tmp_path / "junit.xml", tmp_path / "certificate.json"
    junit.write_bytes(report(("tests.golden.test_a", "passed")))
    answer = rwd("validation", "certify", str(junit), "--suite", suite, "--out", str(made))
    assert answer.code == 1 and b"tests.golden.test_b" in answer.stdout
    assert rwd("validation", "record", str(made)).code == 3


def test_what_is_neither_report_nor_certificate_is_refused_in_both_languages(
    rwd: Rwd, home: Path, junit: Path, suite: str, tmp_path: Path
) -> None:
    for words in (
        ("certify", str(home), "--suite", suite, "--out", str(tmp_path / "c.json")),
        ("record", str(tmp_path / "none.json")),
    ):
        assert rwd("validation", *words).code == 2
    other = tmp_path / "other.json"
    other.write_text("{}", encoding="utf-8")
    for words in (
        ("certify", str(other), "--suite", suite, "--out", str(tmp_path / "c.json")),
        ("record", str(junit)),
    ):
        answer = rwd("validation", *words, "--json")
        assert answer.code == 2 and is_chinese(answer.document["error"]["zh"])
    assert not (tmp_path / "c.json").exists()
