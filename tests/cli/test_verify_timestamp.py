"""`rwd verify` reads a package's time stamp wherever it lies, and believes none that is not of this very manifest."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from rwd_platform.signing.timestamps import timestamp_request
from studies.evidence.package import build
from tests.cli.calling import Rwd
from tests.evidence.fixtures import small_inputs
from tests.signing.tsa import Authority, issued, root, rsa_key

OTHER = issued("Other Root", rsa_key("other root"), ca=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(small_inputs(), tmp_path_factory.mktemp("packages")).path


@pytest.fixture
def package(built: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "received"
    folder.mkdir()
    return Path(shutil.copy(built, folder / built.name))


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_bytes(root().pem)
    return path


def manifest_sha256(package: Path) -> str:
    with zipfile.ZipFile(package) as archive:
        return hashlib.sha256(archive.read(f"{package.stem}/manifest-sha256.txt")).hexdigest()


def stamp_of(sha256: str) -> bytes:
    return Authority().answer(timestamp_request(sha256, 7))


def test_without_a_stamp_none_is_shown(rwd: Rwd, package: Path) -> None:
    answer = rwd("verify", package, "--json")
    assert (answer.code, answer.document["timestamp"]) == (0, {"file": None, "stamp": None})


@pytest.mark.parametrize("where", ["given", "beside", "home"])
def test_a_stamp_is_found_and_checked_against_the_roots(
    rwd: Rwd, package: Path, roots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    sha256, home = manifest_sha256(package), tmp_path / "home"
    monkeypatch.setenv("RWD_HOME", str(home))
    places = {
        "given": tmp_path / "elsewhere.tsr",
        "beside": package.with_name(f"{package.name}.tsr"),
        "home": home / "timestamps" / f"{sha256}.tsr",
    }
    places[where].parent.mkdir(parents=True, exist_ok=True)
    places[where].write_bytes(stamp_of(sha256))
    asked = ("--timestamp", places[where]) if where == "given" else ()
    answer = rwd("verify", package, *asked, "--timestamp-roots", roots, "--json")
    told = answer.document["timestamp"]
    assert answer.code == 0 and answer.document["verified"] and told["roots"] == "given"
    assert (told["stamp"]["at"], told["stamp"]["authority"]) == (
        "2026-11-02T08:00:00.000000Z",
        "时间戳测试机构",
    )


def test_the_unpacked_folder_has_the_same_stamp(rwd: Rwd, package: Path, roots: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / package.stem
    folder.with_name(f"{folder.name}.tsr").write_bytes(stamp_of(manifest_sha256(package)))
    answer = rwd("verify", folder, "--timestamp-roots", roots, "--json")
    assert answer.code == 0 and answer.document["timestamp"]["stamp"]["serial"] == "4711"


def test_without_roots_it_says_that_nobody_vouches_for_the_authority(rwd: Rwd, package: Path) -> None:
    package.with_name(f"{package.name}.tsr").write_bytes(stamp_of(manifest_sha256(package)))
    answer = rwd("verify", package, "--json")
    assert answer.code == 0 and answer.document["timestamp"]["roots"] == "none"
    words = rwd("verify", package).stdout.decode()
    assert "不证明由谁签发" in words and "not origin" in words


def test_the_deployment_s_roots_are_asked_where_none_are_given(
    rwd: Rwd, package: Path, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RWD_TIMESTAMP_URL", "https://tsa.example/tsr")
    monkeypatch.setenv("RWD_TIMESTAMP_ROOTS", str(roots))
    package.with_name(f"{package.name}.tsr").write_bytes(stamp_of(manifest_sha256(package)))
    assert rwd("verify", package, "--json").document["timestamp"]["roots"] == "given"
    roots.write_bytes(OTHER.pem)
    answer = rwd("verify", package, "--json")
    assert answer.code == 1 and "根证书" in answer.document["failures"][0]["zh"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (stamp_of("0" * 64), "别的内容"),
        (b"", "无法读取"),
        (b"\xff" * 100, "无法读取"),
        (b"\0" * (2 << 20), "无法读取"),
    ],
)
def test_what_is_no_stamp_of_the_package_is_a_no(rwd: Rwd, package: Path, content: bytes, why: str) -> None:
    """Exit 1 and not silence, also where it was only found lying there."""
    package.with_name(f"{package.name}.tsr").write_bytes(content)
    answer = rwd("verify", package, "--json")
    assert (answer.code, answer.document["verified"], answer.document["timestamp"]["stamp"]) == (
        1,
        False,
        None,
    )
    [failure] = answer.document["failures"]
    assert failure["place"].endswith(".tsr") and why in failure["zh"]


def test_a_stamp_of_another_authority_is_a_no(rwd: Rwd, package: Path, tmp_path: Path) -> None:
    package.with_name(f"{package.name}.tsr").write_bytes(stamp_of(manifest_sha256(package)))
    (tmp_path / "other.pem").write_bytes(OTHER.pem)
    answer = rwd("verify", package, "--timestamp-roots", tmp_path / "other.pem", "--json")
    assert answer.code == 1 and "none of the roots" in answer.document["failures"][0]["en"]


def test_files_that_are_not_there_are_wrong_use(rwd: Rwd, package: Path) -> None:
    for option in ("--timestamp", "--timestamp-roots"):
        assert rwd("verify", package, option, "nowhere", "--json").code == 2
