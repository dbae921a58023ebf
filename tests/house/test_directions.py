"""Imports go one way. Each contract is shown to work by planting an import that it must find."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("rwd_platform", "ingestion", "deidentify", "quality", "studies")

PLANTED = [  # (file, statement, contract that must break)
    ("rwd_platform/core/text.py", "import rwd_platform.log.entry", "Imports go one way"),
    ("rwd_platform/log/entry.py", "import rwd_platform.records.tables", "Imports go one way"),
    ("rwd_platform/store/layout.py", "import rwd_platform.jobs.queue", "Imports go one way"),
    ("rwd_platform/flows/platform.py", "import rwd_platform.server.app", "Imports go one way"),
    ("ingestion/intake.py", "import deidentify.scrub", "Rooms never import each other"),
    ("studies/cohort.py", "import rwd_platform.store.lake", "Rooms are pure"),
    ("quality/gate.py", "import sqlmodel", "Rooms are pure"),
    ("studies/cohort.py", "import fhir.resources.R4B.patient", "Only the rooms that read FHIR"),
    ("quality/gate.py", "import lifelines", "Statistics and figures live in studies"),
    ("studies/cohort.py", "import great_expectations", "Great Expectations lives in quality"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [str(lint_imports), "--config", "pyproject.toml", "--no-cache"],
        cwd=folder, env={"PYTHONPATH": str(folder), "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def copy_of_the_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "static")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_every_import_goes_the_allowed_way(copy_of_the_house: Path) -> None:
    outcome = lint(copy_of_the_house)
    assert outcome.returncode == 0, outcome.stdout[-3000:] + outcome.stderr[-2000:]


@pytest.mark.parametrize(("file", "statement", "contract"), PLANTED)
def test_a_forbidden_import_is_found(
    copy_of_the_house: Path, file: str, statement: str, contract: str
) -> None:
    target = copy_of_the_house / file
    clean = target.read_text(encoding="utf-8")
    target.write_text(f"{clean}\n\n{statement}\n", encoding="utf-8")
    try:
        outcome = lint(copy_of_the_house)
    finally:
        target.write_text(clean, encoding="utf-8")
    broken = [line for line in outcome.stdout.splitlines() if line.endswith("BROKEN")]
    assert outcome.returncode != 0
    assert any(line.startswith(contract) for line in broken), outcome.stdout[-2000:]
