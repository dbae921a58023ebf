"""An authority stamps what was frozen and what was assembled; where it does not, the act stands and the log says so."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import select

from rwd_platform.access import time_authority
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import timestamps
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.flows.timestamps import (
    REASONS,
    Standing,
    stamp_file,
    stamp_package,
    standing_of_package,
    standing_of_protocol,
)
from rwd_platform.records.tables import AuditEntry, EvidencePackage, Study
from rwd_platform.settings import Settings, load_settings
from tests.conftest import StandingClock
from tests.flows.releasing import ASSEMBLER, PROTOCOL, people, put_package
from tests.signing.tsa import NOW, POLICY, Served, issued, middle, root, rsa_key, send, serving

MANIFEST = f"{'a' * 64}  data/05_results/ard.json\n".encode()  # of the package that `put_package` makes
MANIFEST_SHA256 = hashlib.sha256(MANIFEST).hexdigest()


@pytest.fixture
def authority() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def stamping(platform: Platform, authority: Served, tmp_path: Path) -> Platform:
    """The deployment, with the authority configured."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(root().pem)
    return configured(platform, timestamp_url=authority.address, timestamp_roots=roots)


def configured(platform: Platform, **settings: Any) -> Platform:
    return dataclasses.replace(platform, settings=platform.settings.model_copy(update=settings))


def packaged(platform: Platform) -> EvidencePackage:
    return platform.records.get(EvidencePackage, put_package(platform, {"all": people(1, 40)}))


def entries(platform: Platform) -> list[dict[str, Any]]:
    """What the log says about stamps, the oldest first."""
    found = platform.records.all(select(AuditEntry).order_by(AuditEntry.sequence))  # type: ignore[arg-type]  # a column
    return [json.loads(one.body) for one in found if one.action.startswith("timestamp.")]


def frozen(platform: Platform) -> Study:
    study = register_study(platform, ASSEMBLER, PROTOCOL)
    return freeze_protocol(platform, ASSEMBLER, study.id, "经伦理委员会批准")


# -- asked and answered ----------------------------------------------------------------------------------------


def test_a_frozen_protocol_is_stamped_with_the_hash_of_its_text(
    stamping: Platform, authority: Served
) -> None:
    study = frozen(stamping)
    found = standing_of_protocol(stamping, study)
    assert (found.state, found.sha256) == ("stamped", hashlib.sha256(PROTOCOL.encode()).hexdigest())
    assert found.stamp == {
        "at": "2026-11-02T08:00:00.000000Z", "authority": "时间戳测试机构", "policy": POLICY, "serial": "4711"
    }  # fmt: skip
    [asked] = authority.authority.asked
    assert asked["message_imprint"]["hashed_message"].native.hex() == study.protocol_sha256
    assert asked["cert_req"].native and asked["nonce"].native > 2**32
    [entry] = entries(stamping)
    assert (entry["action"], entry["outcome"]) == ("timestamp.obtained", "done")
    assert entry["object"] == {"type": "study", "id": study.id, "version": study.protocol_sha256}
    assert stamp_file(stamping.layout.home, study.protocol_sha256).stat().st_mode & 0o077 == 0


def test_a_package_is_stamped_with_the_hash_of_its_manifest_and_stays_as_it_is(
    stamping: Platform, authority: Served
) -> None:
    package = packaged(stamping)
    before = (stamping.layout.packages / package.file_name).read_bytes()
    made = stamp_package(stamping, ASSEMBLER, package)
    assert (made.state, made.sha256) == ("stamped", MANIFEST_SHA256)
    assert standing_of_package(stamping, package) == made
    assert (stamping.layout.packages / package.file_name).read_bytes() == before
    assert {one.name for one in stamping.layout.packages.iterdir()} == {package.file_name}, (
        "none lies among them"
    )


def test_what_has_a_stamp_is_not_stamped_again(
    stamping: Platform, authority: Served, clock: StandingClock
) -> None:
    """The older one proves more."""
    package = packaged(stamping)
    first = stamp_package(stamping, ASSEMBLER, package)
    clock.advance(hours=1)
    assert stamp_package(stamping, ASSEMBLER, package) == first
    assert authority.requests == 1 and len(entries(stamping)) == 1


def test_two_requests_never_carry_the_same_nonce(stamping: Platform, authority: Served) -> None:
    frozen(stamping)
    stamp_package(stamping, ASSEMBLER, packaged(stamping))
    first, second = (one["nonce"].native for one in authority.authority.asked)
    assert first != second


def test_the_policy_of_the_settings_is_asked_for(stamping: Platform, authority: Served) -> None:
    other = configured(stamping, timestamp_policy="1.2.3.4")
    assert (stamp_package(other, ASSEMBLER, packaged(other)).stamp or {})["policy"] == "1.2.3.4"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL is not installed on this machine")
def test_openssl_takes_the_stored_stamp_beside_the_manifest(stamping: Platform, tmp_path: Path) -> None:
    stamp_package(stamping, ASSEMBLER, packaged(stamping))
    (tmp_path / "manifest").write_bytes(MANIFEST)
    stored = stamp_file(stamping.layout.home, MANIFEST_SHA256)
    command = ["openssl", "ts", "-verify", "-data", "manifest", "-in", str(stored), "-CAfile", "roots.pem"]
    at = ["-attime", str(int(NOW.timestamp()))]
    done = subprocess.run([*command, *at], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "manifest").write_bytes(MANIFEST + b" ")
    assert subprocess.run([*command, *at], cwd=tmp_path, capture_output=True, check=False).returncode


# -- no authority, or one that fails --------------------------------------------------------------------------


def test_without_an_authority_nothing_is_asked_and_nothing_logged(platform: Platform) -> None:
    study = frozen(platform)
    assert standing_of_protocol(platform, study) == Standing("not_asked", study.protocol_sha256)
    assert not entries(platform) and not (platform.layout.home / timestamps.FOLDER).exists()


def html(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    send(handler, 200, b"<html>busy</html>", "text/html")


def garbage(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    send(handler, 200, b"\x30\x03garbage")


def nothing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    send(handler, 200, b"")


def huge(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    send(handler, 200, b"\0" * (1 << 20))


def elsewhere(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    send(handler, 307, b"", location="http://127.0.0.1:1/other")


def broken(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    send(handler, 500, b"")


def hangs_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.connection.close()


@pytest.mark.parametrize(
    ("instead", "reason"),
    [(html, "wrong_type"), (garbage, "malformed"), (nothing, "malformed"), (huge, "too_large"),
     (elsewhere, "wrong_status"), (broken, "wrong_status"), (hangs_up, "unreachable")],
)  # fmt: skip
def test_an_authority_that_fails_stops_nothing_and_the_log_says_why(
    stamping: Platform, authority: Served, instead: Callable[..., None], reason: str
) -> None:
    authority.instead = instead
    study = frozen(stamping)
    assert study.state == "frozen"
    assert standing_of_protocol(stamping, study) == Standing("absent", study.protocol_sha256, reason)
    [entry] = entries(stamping)
    assert (entry["action"], entry["outcome"], entry["reason"]) == ("timestamp.absent", "failed", reason)
    assert not stamp_file(stamping.layout.home, study.protocol_sha256).exists()


def test_a_slow_authority_is_waited_for_no_longer_than_is_said(
    stamping: Platform, authority: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_authority, "SECONDS", 0.2)

    def waits(_: BaseHTTPRequestHandler, __: bytes) -> None:
        authority.stopped.wait(30)

    authority.instead = waits
    assert stamp_package(stamping, ASSEMBLER, packaged(stamping)).reason == "unreachable"


def test_one_that_drips_is_not_listened_to_for_ever(
    stamping: Platform, authority: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_authority, "SECONDS", 0.3)

    def drips(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/timestamp-reply")
        handler.end_headers()
        while not authority.stopped.wait(0.05):
            handler.wfile.write(b"\0")

    authority.instead = drips
    assert stamp_package(stamping, ASSEMBLER, packaged(stamping)).reason == "unreachable"


def test_nobody_there_is_said(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(root().pem)
    alone = configured(
        platform, timestamp_url="http://127.0.0.1:1/tsa", timestamp_roots=tmp_path / "roots.pem"
    )
    assert stamp_package(alone, ASSEMBLER, packaged(alone)).reason == "unreachable"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"info": {"nonce": 1}}, "wrong_nonce"),
        ({"info": {"message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": b"\0" * 32}}},
         "wrong_imprint"),
        ({"at": NOW + timedelta(hours=1)}, "wrong_time"),
        ({"status": "rejection"}, "not_granted"),
        ({"unit": issued("Self-made", rsa_key("self"))}, "untrusted"),
        ({"unit": issued("Late", rsa_key("unit"), middle(), last=NOW - timedelta(days=1))}, "expired"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_right_is_not_kept(
    stamping: Platform, authority: Served, changes: dict[str, Any], reason: str
) -> None:
    authority.authority = authority.authority.but(**changes)
    package = packaged(stamping)
    assert stamp_package(stamping, ASSEMBLER, package) == Standing("absent", MANIFEST_SHA256, reason)
    assert not stamp_file(stamping.layout.home, MANIFEST_SHA256).exists()
    said = standing_of_package(stamping, package).as_dict()
    assert said == {
        "state": "absent", "sha256": MANIFEST_SHA256, "reason": reason, **REASONS[reason]._asdict()
    }  # fmt: skip


def test_what_failed_once_can_be_stamped_later(stamping: Platform, authority: Served) -> None:
    authority.instead = broken
    package = packaged(stamping)
    stamp_package(stamping, ASSEMBLER, package)
    authority.instead = None
    assert stamp_package(stamping, ASSEMBLER, package).state == "stamped"
    assert standing_of_package(stamping, package).state == "stamped"
    assert [one["action"] for one in entries(stamping)] == ["timestamp.absent", "timestamp.obtained"]


@pytest.mark.parametrize("content", [None, b"", b"no roots", b"x" * (2 << 20)])
def test_roots_that_cannot_be_read_leave_no_stamp_and_nobody_is_asked(
    stamping: Platform, authority: Served, tmp_path: Path, content: bytes | None
) -> None:
    roots = tmp_path / "roots.pem"
    roots.unlink()
    if content is not None:
        roots.write_bytes(content)
    assert stamp_package(stamping, ASSEMBLER, packaged(stamping)).reason == "no_roots"
    assert authority.requests == 0


def test_a_package_that_cannot_be_read_has_none(stamping: Platform, authority: Served) -> None:
    package = packaged(stamping)
    path = stamping.layout.packages / package.file_name
    for content in (b"", b"PK no archive"):
        path.write_bytes(content)
        assert stamp_package(stamping, ASSEMBLER, package).reason == "package_unreadable"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "no manifest")
    assert stamp_package(stamping, ASSEMBLER, package).reason == "package_unreadable"
    assert authority.requests == 0


# -- kept ------------------------------------------------------------------------------------------------------


def test_a_stamp_whose_file_is_gone_or_changed_counts_no_more(stamping: Platform) -> None:
    package = packaged(stamping)
    stamp_package(stamping, ASSEMBLER, package)
    file = stamp_file(stamping.layout.home, MANIFEST_SHA256)
    file.write_bytes(file.read_bytes() + b"\0")
    assert standing_of_package(stamping, package).reason == "file_missing"
    file.unlink()
    assert standing_of_package(stamping, package).reason == "file_missing"


def test_the_stamp_of_another_manifest_is_not_taken_for_this_one(stamping: Platform) -> None:
    """Assembled again, the log inside has gone on: what lies there now has no stamp until it gets one."""
    package = packaged(stamping)
    stamp_package(stamping, ASSEMBLER, package)
    with zipfile.ZipFile(stamping.layout.packages / package.file_name, "w") as archive:
        archive.writestr("EP-1/manifest-sha256.txt", f"{'b' * 64}  data/05_results/ard.json\n")
    assert standing_of_package(stamping, package).state == "not_asked"


def test_where_it_cannot_be_stored_the_log_says_so(stamping: Platform) -> None:
    (stamping.layout.home / timestamps.FOLDER).write_text("in the way")
    assert stamp_package(stamping, ASSEMBLER, packaged(stamping)).reason == "not_kept"


# -- settings --------------------------------------------------------------------------------------------------

ROOTS = Path("roots.pem")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"timestamp_url": "https://tsa.example"}, "RWD_TIMESTAMP_ROOTS"),
        ({"timestamp_roots": ROOTS}, "RWD_TIMESTAMP_URL"),
        ({"timestamp_policy": "1.2.3"}, "RWD_TIMESTAMP_URL, RWD_TIMESTAMP_ROOTS"),
        ({"timestamp_url": "ftp://tsa.example", "timestamp_roots": ROOTS}, "RWD_TIMESTAMP_URL"),
        ({"timestamp_url": "file:///etc/passwd", "timestamp_roots": ROOTS}, "RWD_TIMESTAMP_URL"),
        ({"timestamp_url": "http://user:secret@tsa.example", "timestamp_roots": ROOTS}, "RWD_TIMESTAMP_URL"),
        ({"timestamp_url": "tsa.example", "timestamp_roots": ROOTS}, "RWD_TIMESTAMP_URL"),
        ({"timestamp_url": "http://tsa.example/x", "timestamp_roots": ROOTS, "timestamp_policy": "1.02"},
         "RWD_TIMESTAMP_POLICY"),
    ],
)  # fmt: skip
def test_an_authority_is_configured_as_a_whole_or_not_at_all(given: dict[str, Any], named: str) -> None:
    with pytest.raises((PlatformError, ValidationError)) as refused:
        Settings(demo=True, **given)
    assert named in str(refused.value) and "secret" not in str(refused.value).partition("[type=")[0]


@pytest.mark.parametrize(
    "address", ["http://tsa.example/tsr", "https://tsa.example:8443/tsr?a=1", "http://[::1]:80/"]
)
def test_http_and_https_are_addresses_of_an_authority(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RWD_TIMESTAMP_URL", address)
    monkeypatch.setenv("RWD_TIMESTAMP_ROOTS", "roots.pem")
    assert load_settings().timestamp_url == address


@pytest.mark.parametrize(
    ("content", "holds"), [(root().pem + middle().pem, True), (b"no roots", False), (None, False)]
)
def test_the_doctor_looks_at_the_roots(
    platform: Platform, tmp_path: Path, content: bytes | None, holds: bool
) -> None:
    from rwd_platform.flows.doctor import examine

    roots = tmp_path / "roots.pem"
    if content is not None:
        roots.write_bytes(content)
    told = configured(platform, timestamp_url="https://tsa.example", timestamp_roots=roots)
    [found] = [one for one in examine(told.settings) if one.name == "timestamps"]
    assert found.ok is holds
    assert not [one for one in examine(platform.settings) if one.name == "timestamps"], "none is configured"
