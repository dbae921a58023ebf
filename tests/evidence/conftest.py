"""One package for the folder's tests: making it takes seconds, checking it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studies.evidence.package import BuiltPackage, build
from tests.evidence.fixtures import small_inputs


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> BuiltPackage:
    return build(small_inputs(), tmp_path_factory.mktemp("package"))


@pytest.fixture
def folder(package: BuiltPackage, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(package.folder, tmp_path / package.folder.name))
