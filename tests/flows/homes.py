"""A home that several tests start from: made once, copied for each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.settings import Settings
from tests.conftest import StandingClock


@contextmanager
def opened(home: Path, clock: StandingClock) -> Iterator[Platform]:
    platform = open_platform(Settings(home=home, demo=True), clock)
    try:
        yield platform
    finally:
        platform.records.engine.dispose()


def made(home: Path, sqlite_template: Path, fill: Callable[[Platform], None]) -> Path:
    """A home with the demo's organisations, filled."""
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")
    with opened(home, StandingClock()) as platform:
        register_organisations(platform)
        fill(platform)
    return home


@contextmanager
def copied(home: Path, to: Path, clock: StandingClock) -> Iterator[Platform]:
    with opened(Path(shutil.copytree(home, to)), clock) as platform:
        yield platform
