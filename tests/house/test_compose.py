"""The compose file is checked, not trusted: pins, health, least privilege, secrets by file, known settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rwd_platform.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = sorted(COMPOSE["services"])


def test_the_services_are_proxy_web_worker_and_database() -> None:
    assert SERVICES == ["database", "proxy", "web", "worker"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_healthy_and_has_no_privilege_it_does_not_need(name: str) -> None:
    service = COMPOSE["services"][name]
    image, _, tag = service["image"].rpartition(":")
    assert image and re.search(r"\d+\.\d+", tag), "a version, never latest"
    assert service["healthcheck"]["test"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    if name != "proxy":
        assert service["user"].split(":")[0] not in ("0", "root")


def test_only_the_proxy_is_reachable_from_outside() -> None:
    assert [name for name in SERVICES if "ports" in COMPOSE["services"][name]] == ["proxy"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert "outside" not in COMPOSE["services"]["database"]["networks"]


def test_secrets_come_by_file_and_none_stands_in_the_compose_file() -> None:
    for name in SERVICES:
        for key, value in COMPOSE["services"][name].get("environment", {}).items():
            if re.search(r"password|secret|key", key, re.IGNORECASE):
                assert str(value).startswith("/run/secrets/"), key
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("./deploy/secrets/")
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_every_setting_that_is_given_exists() -> None:
    known = {f"RWD_{name}".upper() for name in Settings.model_fields}
    for name in ("web", "worker"):
        given = {key for key in COMPOSE["services"][name]["environment"] if key.startswith("RWD_")}
        assert given and given <= known


def test_what_a_service_mounts_and_waits_for_exists() -> None:
    for name in SERVICES:
        service = COMPOSE["services"][name]
        for dependency in service.get("depends_on", {}):
            assert dependency in SERVICES
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), volume
        for secret in service.get("secrets", []):
            assert secret in COMPOSE["secrets"]


def test_the_image_is_built_from_the_lock_with_hashes_and_runs_as_nobody_special() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements/run.lock" in dockerfile
    assert re.search(r"^USER rwd$", dockerfile, re.MULTILINE)
    for copied in re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE):
        assert (ROOT / copied).exists(), copied
