"""Shipped packs are those that were pinned, byte for byte; what a person states by path is their own."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

import pytest

from rwd_platform.compliance import pins
from rwd_platform.compliance.pins import FOLDER, PINS, listed_names, shipped_bytes, shipped_names
from rwd_platform.compliance.rulepack import load_pack, pack_names
from rwd_platform.core.errors import PlatformError

NATIONAL = "national-2026"


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def pin(folder: Path) -> None:
    """Writes the list of pins that fits the folder's files."""
    packs = sorted(path for path in folder.glob("*.toml") if path.name != PINS)
    lines = [f'"{path.name}" = "{sha256(path.read_bytes())}"' for path in packs]
    (folder / PINS).write_text("\n".join(lines), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped packs and their pins, to be spoilt."""
    shutil.copytree(FOLDER, tmp_path / "rulepacks")
    return tmp_path / "rulepacks"


def refused(folder: Path) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        for name in shipped_names(folder):
            shipped_bytes(name, folder)
    assert caught.value.exit == 3
    return caught.value


def test_every_committed_pack_has_the_hash_of_its_bytes_on_the_list() -> None:
    """Computed here from the files as they are: an edit without a new pin is found before anybody decides by it."""
    written = tomllib.loads((FOLDER / PINS).read_text("utf-8"))
    computed = {path.name: sha256(path.read_bytes()) for path in FOLDER.iterdir() if path.suffix == ".toml"}
    del computed[PINS]
    assert written == computed
    assert set(shipped_names()) == {name.removesuffix(".toml") for name in written}


def test_one_changed_byte_is_refused_and_both_hashes_are_shown(folder: Path) -> None:
    """Which pack, what was expected, what was found: twelve hex digits each."""
    path = folder / f"{NATIONAL}.toml"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"sensitive = 10_000", b"sensitive = 90_000"))
    error = refused(folder)
    assert error.code == "transfer.pack_edited"
    for text in (error.zh, error.en):
        assert path.name in text and sha256(before)[:12] in text and sha256(path.read_bytes())[:12] in text
        assert sha256(before)[:13] not in text
    assert "--rules" in error.next_en and "--rules" in error.next_zh


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"\n", b"\r\n"), (b"\n\n", b"\n \n"), (b"format_version", b"\xef\xbb\xbfformat_version")],
)
def test_the_bytes_count_not_what_they_mean(folder: Path, old: bytes, new: bytes) -> None:
    """Other line ends, a blank or a byte-order mark make another file, though a reader would see the same rules."""
    path = folder / f"{NATIONAL}.toml"
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert refused(folder).code == "transfer.pack_edited"


def test_a_pack_without_a_pin_is_refused(folder: Path) -> None:
    """A file that somebody dropped among the shipped ones does not become one of them."""
    shutil.copy(folder / f"{NATIONAL}.toml", folder / "national-2027.toml")
    error = refused(folder)
    assert error.code == "transfer.pack_not_pinned" and "national-2027.toml" in error.en


def test_a_pin_without_its_pack_is_refused(folder: Path) -> None:
    """A pack that was taken away would leave a hole in time that nobody sees."""
    (folder / "genetic-resources-2023.toml").unlink()
    error = refused(folder)
    assert error.code == "transfer.pack_missing" and "genetic-resources-2023.toml" in error.zh


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        '"a.toml" = 5',
        '"a.toml" = "abc"',
        f'"a.toml" = "{"A" * 64}"',
        f'"a.toml" = "{"0" * 63}٠"',
        '["a.toml"]\nsha256 = "0"',
    ],
)
def test_a_list_of_pins_that_is_no_list_is_refused(folder: Path, text: str) -> None:
    """64 lowercase hex digits a file, and nothing like it."""
    (folder / PINS).write_text(text, "utf-8")
    assert refused(folder).code == "transfer.pins_malformed"


def test_without_the_list_nothing_is_shipped(folder: Path) -> None:
    """An absent list must not read as "everything is as it should be"."""
    (folder / PINS).unlink()
    assert refused(folder).code == "transfer.pins_malformed"
    (folder / PINS).write_bytes(b"\xff\xfe")
    assert refused(folder).code == "transfer.pins_malformed"


def test_an_empty_folder_with_an_empty_list_ships_nothing(tmp_path: Path) -> None:
    """Nothing pinned, nothing there: consistent."""
    (tmp_path / PINS).write_text("", "utf-8")
    assert shipped_names(tmp_path) == ()


def test_a_pack_by_its_name_goes_through_its_pin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's default pack is a shipped one, so an edit to it stops the command."""
    path = folder / f"{NATIONAL}.toml"
    edited = path.read_text("utf-8").replace("sensitive = 10_000", "sensitive = 90_000")
    path.write_text(edited, "utf-8")
    for function in (pins.shipped_names, pins.shipped_bytes):
        monkeypatch.setattr(function, "__defaults__", (folder,))
    for name in (NATIONAL, None):
        with pytest.raises(PlatformError, match=r"transfer\.pack_edited"):
            load_pack(name) if name else load_pack()


def test_a_pack_by_its_path_is_not_pinned(tmp_path: Path) -> None:
    """Rules of one's own are stated by path, and the decision carries their hash."""
    path = tmp_path / "mine.toml"
    text = (FOLDER / f"{NATIONAL}.toml").read_text("utf-8")
    path.write_text(text.replace("sensitive = 10_000", "sensitive = 5"), "utf-8")
    pack = load_pack(path)
    assert pack.rule("M9").thresholds["sensitive"] == 5
    assert pack.sha256 == sha256(path.read_bytes()) != load_pack(NATIONAL).sha256


def test_the_list_of_pins_is_no_pack() -> None:
    """It lies among the packs and is not offered as one."""
    assert "pinned" not in pack_names() and NATIONAL in pack_names()
    with pytest.raises(PlatformError) as caught:
        load_pack("pinned")
    assert (caught.value.code, caught.value.exit) == ("transfer.pack_not_found", 2)


def test_what_is_listed_is_everything_that_is_pinned_or_lies_there(folder: Path) -> None:
    """For whoever shows what is wrong: the names of sound and unsound files alike, each refused by its own problem."""
    (folder / "mine.toml").write_text("x = 1", "utf-8")
    (folder / f"{NATIONAL}.toml").unlink()
    listed = listed_names(folder)
    assert {"mine", NATIONAL, "inbound-2025"} <= set(listed) and "pinned" not in listed
    assert list(listed) == sorted(listed)
    for name, code in (("mine", "transfer.pack_not_pinned"), (NATIONAL, "transfer.pack_missing")):
        with pytest.raises(PlatformError) as caught:
            shipped_bytes(name, folder)
        assert (caught.value.code, caught.value.exit) == (code, 3)
    assert shipped_bytes("inbound-2025", folder) == (FOLDER / "inbound-2025.toml").read_bytes()
