"""Imports go one way. Each contract is shown to work by planting an import that it must find."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("rwd_platform", "ingestion", "deidentify", "quality", "studies")

PLANTED = [  # (file, module that it must not import, contract that must break)
    ("rwd_platform/core/text.py", "rwd_platform.log.entry", "Imports go one way"),
    ("rwd_platform/log/merkle.py", "rwd_platform.records.tables", "Imports go one way"),
    ("rwd_platform/store/layout.py", "rwd_platform.jobs.queue", "Imports go one way"),
    ("rwd_platform/flows/platform.py", "rwd_platform.server.app", "Imports go one way"),
    ("ingestion/intake.py", "deidentify.scrub", "Rooms never import each other"),
    ("studies/cohort.py", "rwd_platform.store.lake", "Rooms are pure"),
    ("quality/gate.py", "sqlmodel", "Rooms are pure"),
    ("studies/cohort.py", "fhir", "Only the rooms that read FHIR know fhir.resources"),
    ("quality/gate.py", "lifelines", "Statistics and figures live in studies"),
    ("studies/cohort.py", "great_expectations", "Great Expectations lives in quality"),
    ("rwd_platform/flows/platform.py", "pyspark", "Spark lives in the engines"),
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


@pytest.fixture(scope="module")
def report_on_planted_imports(copy_of_the_house: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One run over a house in which every forbidden import was planted at once."""
    folder = tmp_path_factory.mktemp("planted") / "house"
    shutil.copytree(copy_of_the_house, folder)
    for file, module, _contract in PLANTED:
        with (folder / file).open("a", encoding="utf-8") as stream:
            stream.write(f"\n\nimport {module}\n")
    outcome = lint(folder)
    assert outcome.returncode != 0
    return outcome.stdout


@pytest.mark.parametrize(("file", "module", "contract"), PLANTED)
def test_a_forbidden_import_is_found(
    report_on_planted_imports: str, file: str, module: str, contract: str
) -> None:
    """The report names the contract as broken, and the importing and the imported module under it."""
    assert f"{contract} BROKEN" in report_on_planted_imports
    importer = file.removesuffix(".py").replace("/", ".")
    section = report_on_planted_imports.split("Broken contracts", 1)[1].split(f"\n{contract}\n", 1)[1]
    planted = f"{importer} -> {module}"
    assert planted in section.replace("\n", " ").replace("  ", " "), section[:2000]
