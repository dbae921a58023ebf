"""`rwd doctor`: each check looks at the machine, and a check that breaks is a finding and not a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from rwd_platform.flows import doctor
from rwd_platform.flows.doctor import examine
from rwd_platform.settings import Settings
from rwd_platform.signing.keys import make_root_key
from tests.cli.calling import is_chinese

NAMES = ["python", "root_key", "home", "disk", "database", "fonts"]


def failing(settings: Settings) -> list[str]:
    findings = examine(settings)
    assert [finding.name for finding in findings] == NAMES
    assert all(is_chinese(finding.zh) and finding.en for finding in findings[1:])
    return [finding.name for finding in findings if not finding.ok]


def test_a_demo_home_is_ready(tmp_path: Path) -> None:
    assert failing(Settings(home=tmp_path / "new", demo=True)) == []
    assert [path.name for path in (tmp_path / "new").iterdir() if "doctor" in path.name] == []


def test_a_real_deployment_needs_its_root_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", root_key_file=tmp_path / "keys" / "root.key")
    assert failing(settings) == ["root_key"]
    make_root_key(settings.key_file)
    assert failing(settings) == []
    settings.key_file.chmod(0o644)
    assert failing(settings) == ["root_key"], "others could read it"


def test_a_home_that_is_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    assert "home" in failing(Settings(home=tmp_path / "home", demo=True))


def test_a_disk_that_is_nearly_full_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 30})())
    assert failing(Settings(home=tmp_path, demo=True)) == ["disk"]


def test_a_database_that_cannot_be_reached_is_found(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'no' / 'folder' / 'records.db'}"
    assert failing(Settings(home=tmp_path, demo=True, database_url=url)) == ["database"]
