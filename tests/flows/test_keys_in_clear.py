"""No key leaves memory in clear: not into the database, the home folder, the log, or what commands print.

The root key is known to the test, so that every key derived from it can be looked for. Searched are the
bytes themselves and their hex and base64 forms, in every file, also inside what is compressed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.key_status import key_status
from rwd_platform.flows.key_versions import DEPLOYMENT, check_suite
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.rotate_keys import rotate_hospital_key
from rwd_platform.flows.segment_upload import segment_upload
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, KeyVersion, UploadFile
from rwd_platform.settings import Settings
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import SUITE_NAMES
from tests.conftest import StandingClock
from tests.flows.sending import CLERK, RESEARCHER, sent
from tests.flows.test_study import PROTOCOL, thirty_patients

ROOT = hashlib.sha256(b"a root key that only this test knows").digest()
OPERATOR = Actor("ops", "operator", "org-operator")
HOSPITAL, PROJECT = "org-hospital-a", "rotterdam-hormon"
_WRAPS = ("raw", "segments")


def opened(tmp_path: Path, suite: str, clock: StandingClock) -> Platform:
    root = tmp_path / "root.key"
    if not root.exists():
        root.write_bytes(ROOT)
        root.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return open_platform(Settings(home=home, root_key_file=root, suite=suite), clock)


def derived(platform: Platform) -> dict[str, bytes]:
    """Every key that the flow below makes use of, by name."""
    ring = platform.keys
    keys = {"root": ring.root}
    for version in (1, 2):
        keys[f"pseudonym v{version}"] = ring.derive("pseudonym", HOSPITAL, version=version)
        keys[f"wrap vault v{version}"] = ring.derive("wrap", f"vault/{HOSPITAL}/{version}")
    for name in ("project", "date"):
        keys[name] = ring.derive(name, PROJECT)
    for name in ("linkage", "audit-detail"):
        keys[name] = ring.derive(name)
    for name in _WRAPS:
        keys[f"wrap {name}"] = ring.derive("wrap", f"{name}/{HOSPITAL}")
    for name in ("log", "package", "receipt"):
        keys[f"sign {name}"] = ring.derive("sign", name)
    keys["retokenise"] = ring.derive("retokenise", HOSPITAL)
    rows = platform.records.all(select(UploadFile))
    keys["key id"] = ring.derive("key-id", "raw")
    # A line digest's key is given to the hospital in its receipt: it is no secret of the platform's.
    assert rows and len(set(keys.values())) == len(keys)
    return keys


def contents(home: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file, and what is inside those that compress."""
    for path in sorted(home.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            yield path, raw
            if path.suffix == ".gz":
                yield path, gzip.decompress(raw)
            if path.suffix == ".parquet":
                text = io.StringIO()
                for column in pyarrow.parquet.read_table(path).to_pydict().values():
                    text.write("\n".join(map(str, column)))
                yield path, text.getvalue().encode()


def forms(key: bytes) -> list[bytes]:
    """As it is, and as people write it down; of base64 any alignment's middle part."""
    written = [key, key.hex().encode(), key.hex().upper().encode(), repr(key)[2:-1].encode()]
    for lead in range(3):
        inside = base64.b64encode(b"\0" * lead + key)[4 if lead else 0 :].rstrip(b"=")[:-1]
        written += [inside, inside.replace(b"+", b"-").replace(b"/", b"_")]
    return written


def leaks(platform: Platform, printed: str) -> list[str]:
    log = "\n".join(entry.body.decode() for entry in platform.records.all(select(AuditEntry)))
    places = [
        *contents(platform.layout.home),
        (Path("log"), log.encode()),
        (Path("printed"), printed.encode()),
    ]
    return [
        f"{name} in {path.name}"
        for name, key in derived(platform).items()
        for form in forms(key)
        for path, content in places
        if form in content
    ]


@pytest.mark.parametrize("suite", SUITE_NAMES)
def test_no_derived_key_is_found_anywhere_after_a_whole_flow(
    suite: str, tmp_path: Path, clock: StandingClock, capfd: pytest.CaptureFixture[str]
) -> None:
    """Received, admitted, kept by patient, checked, locked with shifted dates, rotated - under either suite."""
    platform = opened(tmp_path, suite, clock)
    register_organisations(platform)
    upload = sent(platform, {"all.ndjson": thirty_patients()})
    segment_upload(platform, CLERK, upload)
    check_quality(platform, RESEARCHER)
    study = register_study(platform, RESEARCHER, f"{PROTOCOL}\nlock: {{dates: shift}}\n")
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    lock = lock_data(platform, RESEARCHER, study.id)
    assert lock.manifest["content"]["facts"]["suite"] == suite
    assert rotate_hospital_key(platform, OPERATOR, HOSPITAL).rows["patient"] == 30
    for one in (platform, platform.keys, platform.landing, key_status(platform, OPERATOR)):
        print(one)
    platform.records.record(Act(OPERATOR, "key.status_read", Object("key", "status"), detail={"a": "b"}))
    out, err = capfd.readouterr()
    assert leaks(platform, out + err) == []
    platform.records.engine.dispose()


def test_a_key_that_did_leak_would_be_found(tmp_path: Path, clock: StandingClock) -> None:
    """The search above is worth what it finds: each form, in each kind of place."""
    platform = opened(tmp_path, "intl", clock)
    register_organisations(platform)
    sent(platform, {"all.ndjson": thirty_patients()[:2000].rsplit(b"\n", 1)[0]})
    key = platform.keys.derive("linkage")
    assert leaks(platform, "") == []
    places = [
        ("plain.txt", b"x" + key),
        ("hex.txt", key.hex().encode()),
        ("base64.txt", base64.b64encode(b"ab" + key + b"c")),
        ("url.txt", base64.urlsafe_b64encode(b"a" + key)),
        ("repr.txt", repr({"key": key}).encode()),
        ("inside.gz", gzip.compress(key.hex().encode())),
    ]
    for name, content in places:
        file = platform.layout.home / name
        file.write_bytes(content)
        assert any(name in found for found in leaks(platform, "")), name
        file.unlink()
    assert "linkage in printed" in leaks(platform, key.hex())
    platform.records.engine.dispose()


def test_a_deployment_keeps_the_suite_it_began_with(tmp_path: Path, clock: StandingClock) -> None:
    """Under another suite every patient would get a second name, and nothing would say so."""
    platform = opened(tmp_path, "gm", clock)
    platform.records.engine.dispose()
    assert platform.records.get(KeyVersion, (DEPLOYMENT, "")).suite == "gm"
    opened(tmp_path, "gm", clock).records.engine.dispose()
    with pytest.raises(PlatformError) as refused:
        opened(tmp_path, "intl", clock)
    assert refused.value.code == "settings.suite_changed"
    assert "gm" in refused.value.en and "gm" in refused.value.next_zh


def test_a_deployment_of_before_there_was_a_choice_is_one_of_intl(platform: Platform) -> None:
    """It has a log and no record of a suite."""
    check_suite(platform.records, OPERATOR, "intl")
    with pytest.raises(PlatformError, match=r"settings\.suite_changed"):
        check_suite(platform.records, OPERATOR, "gm")
    assert platform.records.find(KeyVersion, (DEPLOYMENT, "")) is None


def test_the_ring_of_the_test_is_the_one_that_is_searched_for(tmp_path: Path, clock: StandingClock) -> None:
    platform = opened(tmp_path, "intl", clock)
    assert platform.keys == KeyRing(ROOT) and not platform.keys.is_demo
    platform.records.engine.dispose()
