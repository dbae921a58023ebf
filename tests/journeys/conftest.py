"""The main job, run once per database for all journey tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rwd_platform.demo.journey import Journey, make_journey
from rwd_platform.flows.platform import open_platform
from rwd_platform.settings import Settings


def _silent(*_: object) -> None:
    """Nobody watches a test."""


def journey_in(folder: Path, database_url: str = "") -> Journey:
    platform = open_platform(Settings(home=folder / "home", demo=True, database_url=database_url))
    return make_journey(platform, folder / "hospitals", _silent)


@pytest.fixture(scope="session")
def sqlite_journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    yield journey_in(tmp_path_factory.mktemp("journey"))


@pytest.fixture(scope="session")
def postgres_journey(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Journey]:
    yield journey_in(tmp_path_factory.mktemp("journey-postgres"), postgres_url)
