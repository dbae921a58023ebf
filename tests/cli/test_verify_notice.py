"""`rwd verify` shows the notice of a package, wherever it lies, and believes none that is not signed for it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.canonical import canonical_json, sha256_file, sha256_of
from rwd_platform.flows.verify_notice import read_notice
from studies.evidence.package import build
from studies.evidence.verify import Verification, verify_package
from tests.cli.calling import Rwd
from tests.evidence.fixtures import package_signer, small_inputs

EVENT = {
    "kind": "erased",
    "noted_at": "2026-11-20T08:00:00.000000Z",
    "cause": "erasure-1",
    "zh": "某",
    "en": "some",
}
CHANGED = "或内容已被改动"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(small_inputs(), tmp_path_factory.mktemp("packages")).path


@pytest.fixture(scope="module")
def verified(built: Path) -> Verification:
    found = verify_package(built, package_signer().public_key)
    assert found.holds
    return found


@pytest.fixture
def package(built: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "received"
    folder.mkdir()
    return Path(shutil.copy(built, folder / built.name))


def package_id(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        [name] = [one for one in archive.namelist() if one.endswith("/package.json")]
        return str(json.loads(archive.read(name))["package_id"])


def notice_of(path: Path, **changes: Any) -> bytes:
    """A notice as the platform signs it."""
    facts = {
        "format_version": 1,
        "package": package_id(path),
        "package_sha256": sha256_file(path),
        "notices": [EVENT],
        **changes,
    }
    key, digest = package_signer(), sha256_of(facts)
    signed = {"sha256": digest, "key_name": key.name, "public_key": key.public_key.hex(),
              "signature": key.sign(digest.encode()).hex()}  # fmt: skip
    return canonical_json({**facts, "signed": signed}) + b"\n"


def test_without_a_notice_none_is_shown(rwd: Rwd, package: Path, tmp_path: Path) -> None:
    """And nothing is made at the place where a deployment would keep them."""
    answer = rwd("verify", package, "--key", package_signer().public_key.hex(), "--json")
    assert (answer.code, answer.document["notice"]) == (0, {"file": None, "notices": []})
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("where", ["given", "beside", "home"])
def test_a_notice_is_found_and_shown_in_both_languages(
    rwd: Rwd, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The package verifies all the same: exit 0. Its folder is told as well as its archive."""
    home = tmp_path / "deployment"
    monkeypatch.setenv("RWD_HOME", str(home))
    places = {
        "given": tmp_path / "elsewhere.json",
        "beside": package.with_name(f"{package.name}.notice.json"),
        "home": home / "notices" / f"{package_id(package)}.json",
    }
    places[where].parent.mkdir(parents=True, exist_ok=True)
    places[where].write_bytes(notice_of(package))
    asked = ("--notice", places[where]) if where == "given" else ()
    answer = rwd("verify", package, *asked, "--key", package_signer().public_key.hex(), "--json")
    assert answer.code == 0 and answer.document["verified"]
    [told] = answer.document["notice"]["notices"]
    assert (told["kind"], told["cause"]) == ("erased", "erasure-1") and "重新签发" in told["zh"]
    words = rwd("verify", package, *asked).stdout.decode()
    assert "erasure-1" in words and told["zh"] in words and told["en"] in words
    expected = {"notices", places["home"].name} if where == "home" else set()
    assert {one.name for one in home.rglob("*")} == expected, "the deployment is looked at and not made"


def changed(content: bytes) -> bytes:
    return content.replace(b"erasure-1", b"erasure-2")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda path: changed(notice_of(path)), CHANGED),
        (lambda path: notice_of(path, package="EP-" + "0" * 16), "另一个证据包"),
        (lambda path: notice_of(path, package_sha256="0" * 64), "另一个证据包"),
        (lambda path: notice_of(path, notices=[{"kind": "new"}]), "不是可读的告知文件"),
        (lambda path: notice_of(path, notices=7), "不是可读的告知文件"),
        (lambda path: b"", CHANGED),
        (lambda path: b"\xff\xfe not text", CHANGED),
        (lambda path: b"[" * 100_000, CHANGED),
        (lambda path: b"[]", CHANGED),
        (lambda path: b" " * (4 * 1024**2 + 1), "不是可读的告知文件"),
    ],
)
def test_what_is_no_notice_of_the_package_is_not_believed(
    built: Path, verified: Verification, tmp_path: Path, content: Any, why: str
) -> None:
    """Nothing of it is shown, and its name is in the failure."""
    file = tmp_path / "notice.json"
    file.write_bytes(content(built))
    told = read_notice(built, verified, file)
    [failure] = told.failures
    assert told.notices == () and failure.place == "notice.json" and why in failure.zh


def test_a_changed_notice_is_a_no(rwd: Rwd, package: Path) -> None:
    """Exit 1 and not silence, also where it was only found lying there."""
    package.with_name(f"{package.name}.notice.json").write_bytes(changed(notice_of(package)))
    answer = rwd("verify", package, "--json")
    assert (answer.code, answer.document["verified"], answer.document["notice"]["notices"]) == (1, False, [])
    assert CHANGED in answer.document["failures"][0]["zh"]
    words = rwd("verify", package).stdout.decode()
    assert "notice.json" in words and "✓" not in words


def test_a_notice_that_another_key_signed_is_not_believed(
    built: Path, verified: Verification, tmp_path: Path
) -> None:
    """Its own key inside shows nothing: the package's key is asked."""
    from rwd_platform.signing.ed25519 import signer
    from rwd_platform.signing.keys import KeyRing

    other = signer(KeyRing(b"another root key, only for tests"), "package", "somebody")
    facts = json.loads(notice_of(built))
    facts.pop("signed")
    digest = sha256_of(facts)
    signed = {"sha256": digest, "key_name": other.name, "public_key": other.public_key.hex(),
              "signature": other.sign(digest.encode()).hex()}  # fmt: skip
    file = tmp_path / "notice.json"
    file.write_bytes(canonical_json({**facts, "signed": signed}))
    assert CHANGED in read_notice(built, verified, file).failures[0].zh


def test_a_notice_that_is_not_there_is_wrong_use(rwd: Rwd, package: Path) -> None:
    for missing in ("nowhere.json", "."):
        assert rwd("verify", package, "--notice", missing, "--json").code == 2
