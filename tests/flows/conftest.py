"""A whole deployment in a temporary folder, with the demo's organisations registered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.records.tables import Study
from rwd_platform.settings import Settings
from studies.code_lists import CodeList
from tests.conftest import StandingClock


@pytest.fixture
def platform(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")  # already migrated: a tenth of a second saved
    opened = open_platform(Settings(home=home, demo=True), clock)
    register_organisations(opened)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> dict[str, CodeList]:
    """The code lists that there are, by `name@version`: a signed one, and what a test puts beside it."""
    from tests.flows.test_lock_code_lists import SIGNED

    known = {SIGNED.reference: SIGNED}
    monkeypatch.setattr("studies.code_lists.load", known.__getitem__)
    return known


@pytest.fixture(scope="session")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with thirty patients, a lock and a sealed run (tests/flows/erasing.py): each test works on a copy."""
    from tests.flows.erasing import opened, send_thirty, study_with_sealed_results

    home = tmp_path_factory.mktemp("analysed") / "home"
    platform = opened(home)
    send_thirty(platform)
    study_with_sealed_results(platform)
    platform.records.engine.dispose()
    return home


@pytest.fixture(scope="session")
def prepared(analysed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with its results unsealed."""
    from tests.flows.erasing import opened
    from tests.flows.unsealing import unseal

    home = tmp_path_factory.mktemp("prepared") / "home"
    shutil.copytree(analysed, home, symlinks=True)
    platform = opened(home)
    (study,) = platform.records.all(select(Study))
    unseal(platform, study.id)
    platform.records.engine.dispose()
    return home
