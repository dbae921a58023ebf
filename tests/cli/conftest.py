"""`rwd` as a fixture, and a deployment in a temporary home."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.calling import Rwd, caller


@pytest.fixture
def rwd(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Rwd:
    """No setting of the machine that runs the tests reaches the command."""
    for name in ("RWD_HOME", "RWD_DATABASE_URL", "RWD_DEMO", "RWD_ROOT_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.chdir(tmp_path)
    return caller(monkeypatch, capsysbinary)


@pytest.fixture
def home(rwd: Rwd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite_template: Path) -> Path:
    """A demo deployment: the command finds it through RWD_HOME."""
    from rwd_platform.demo.people import register_organisations
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.settings import Settings

    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copyfile(sqlite_template, folder / "records.db")
    monkeypatch.setenv("RWD_HOME", str(folder))
    monkeypatch.setenv("RWD_DEMO", "true")
    platform = open_platform(Settings())
    register_organisations(platform)
    platform.records.engine.dispose()
    return folder
