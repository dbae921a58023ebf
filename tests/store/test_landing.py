"""The landing zone: acknowledged means stored, once; what a crash leaves, a sweep finds."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rwd_platform.core.errors import Exit, PlatformError
from rwd_platform.signing.keys import demo_key_ring
from rwd_platform.store import landing as landing_module
from rwd_platform.store.landing import Landed, Landing
from rwd_platform.store.layout import Layout

CONTENT = b'{"resourceType":"Patient","id":"1"}\n' * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    layout = Layout(tmp_path)
    layout.prepare()
    return Landing(layout, demo_key_ring())


def land(landing: Landing, content: bytes = CONTENT, organisation: str = "hospital-a") -> Landed:
    with landing.begin(organisation) as incoming:
        for at in range(0, len(content), 1000):
            incoming.write(content[at : at + 1000])
        return incoming.finish()


def files(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def test_a_file_lands_under_the_hash_of_its_content(landing: Landing, tmp_path: Path):
    """The receipt names the SHA-256 of what the hospital sent, which the hospital can compute itself."""
    assert land(landing) == Landed("hospital-a", SHA256, len(CONTENT), already=False)
    assert files(tmp_path) == [f"landing/hospital-a/{SHA256[:2]}/{SHA256}.raw"]
    assert (tmp_path / files(tmp_path)[0]).stat().st_mode & 0o777 == 0o600
    with landing.open("hospital-a", SHA256) as stream:
        assert stream.read() == CONTENT
    assert landing.holds("hospital-a", SHA256)


def test_the_same_content_again_is_recognised_and_not_written_twice(landing: Landing, tmp_path: Path):
    """A hospital that is not sure whether its file arrived may simply send it again."""
    land(landing)
    blob = tmp_path / files(tmp_path)[0]
    before = (blob.read_bytes(), blob.stat().st_ino)
    assert land(landing).already
    assert files(tmp_path) == [str(blob.relative_to(tmp_path))]
    assert (blob.read_bytes(), blob.stat().st_ino) == before


def test_two_hospitals_that_send_the_same_file_each_have_their_own(landing: Landing, tmp_path: Path):
    """What one hospital sent is never another's, not even when it is equal."""
    land(landing)
    assert not land(landing, organisation="hospital-b").already
    assert len(files(tmp_path)) == 2


def test_of_many_equal_uploads_at_once_exactly_one_is_the_first(landing: Landing, tmp_path: Path):
    """A double click, or a client that retries too early, makes no second file."""
    with ThreadPoolExecutor(8) as pool:
        landed = list(pool.map(lambda _: land(landing), range(16)))
    assert sum(not one.already for one in landed) == 1
    assert len(files(tmp_path)) == 1


def test_an_empty_file_lands_too(landing: Landing):
    """That it is empty is for intake to say; landing keeps what was sent."""
    landed = land(landing, b"")
    with landing.open("hospital-a", landed.sha256) as stream:
        assert (landed.bytes, stream.read()) == (0, b"")


def test_it_is_durable_before_it_is_acknowledged(landing: Landing, monkeypatch: pytest.MonkeyPatch):
    """Bytes first, then the name, then the folder that holds the name: what survives a power cut."""
    seen: list[str] = []
    fsync, link = os.fsync, os.link

    def recording_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen.append(f"fsync {'folder' if path.is_dir() else path.suffix}")
        fsync(descriptor)

    def recording_link(source: Path, target: Path) -> None:
        seen.append("link")
        link(source, target)

    with landing.begin("hospital-a") as incoming:
        incoming.write(CONTENT)
        monkeypatch.setattr(os, "fsync", recording_fsync)
        monkeypatch.setattr(os, "link", recording_link)
        incoming.finish()
    assert seen == ["fsync .part", "fsync folder", "link", "fsync folder"]


def test_a_client_that_disconnects_leaves_nothing(landing: Landing, tmp_path: Path):
    """Leaving the block before `finish`, by return or by error, takes the part away."""
    with landing.begin("hospital-a") as incoming:
        incoming.write(CONTENT)
    with pytest.raises(ConnectionError), landing.begin("hospital-a") as incoming:
        incoming.write(CONTENT)
        raise ConnectionError
    assert files(tmp_path) == []
    assert landing.sweep() == 0


class FullDisk:
    """A file on a disk that takes `room` bytes and no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, chunk: bytes) -> int:
        self.room -= len(chunk)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(chunk)

    def flush(self) -> None:
        self.write(b"")

    def close(self) -> None:
        self.write(b"")


@pytest.mark.parametrize("room", [0, 1 << 20, (1 << 20) + 500])
def test_a_full_disk_is_said_plainly_and_leaves_nothing(
    landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
):
    """Full at the header, in the middle, or when the last bytes are flushed: 507, and the part is gone."""

    def open_part(path: Path) -> FullDisk:
        path.touch()
        return FullDisk(room)

    monkeypatch.setattr(landing_module, "open_part", open_part)
    with pytest.raises(PlatformError) as caught, landing.begin("hospital-a") as incoming:
        incoming.write(os.urandom(1 << 20))
        incoming.write(os.urandom(1 << 20))
        incoming.finish()
    assert (caught.value.code, caught.value.http) == ("landing.disk_full", 507)
    assert caught.value.exit is Exit.BROKEN_ENVIRONMENT
    assert files(tmp_path) == []


def test_a_real_full_disk_is_noticed_too(landing: Landing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """/dev/full answers every write as a full disk does, at the flush."""

    def open_part(path: Path):
        path.touch()
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(landing_module, "open_part", open_part)
    with pytest.raises(PlatformError, match=r"landing\.disk_full"):
        land(landing)
    assert files(tmp_path) == []


def test_another_error_of_the_disk_is_not_called_full(landing: Landing, monkeypatch: pytest.MonkeyPatch):
    """Only what is known is said: an I/O error stays one."""

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with landing.begin("hospital-a") as incoming:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output"):
            incoming.finish()
    assert landing.sweep() == 0


def test_a_file_over_the_limit_is_refused_while_it_comes(tmp_path: Path):
    """The limit is held while receiving, not after the disk is full of it."""
    landing = Landing(Layout(tmp_path), demo_key_ring(), max_bytes=10)
    with landing.begin("hospital-a") as incoming:
        incoming.write(b"0123456789")
        with pytest.raises(PlatformError, match=r"landing\.too_large.*10 bytes"):
            incoming.write(b"x")
    assert files(tmp_path) == []


def test_a_killed_upload_leaves_a_part_that_the_sweep_removes(landing: Landing, tmp_path: Path):
    """A process killed in the middle cannot clean up. The next start sweeps; stored files are not touched."""
    land(landing)
    script = f"""
import sys
from pathlib import Path
from rwd_platform.signing.keys import demo_key_ring
from rwd_platform.store.landing import Landing
from rwd_platform.store.layout import Layout
incoming = Landing(Layout(Path({str(tmp_path)!r})), demo_key_ring()).begin("hospital-a")
incoming.write(bytes(3 << 20))
print("writing", flush=True)
sys.stdin.read()
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    assert landing.sweep() == 0, "an upload in progress is not a leftover"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert len([name for name in files(tmp_path) if name.endswith(".part")]) == 1
    assert landing.sweep() == 1
    assert files(tmp_path) == [f"landing/hospital-a/{SHA256[:2]}/{SHA256}.raw"]


def test_blobs_that_changed_places_are_noticed(landing: Landing, tmp_path: Path):
    """Both are whole and of the same hospital; only the name is wrong, and that is found at the end."""
    one, two = land(landing, b"one"), land(landing, b"two")
    paths = [tmp_path / "landing/hospital-a" / s.sha256[:2] / f"{s.sha256}.raw" for s in (one, two)]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    with (
        pytest.raises(PlatformError, match=r"raw\.damaged"),
        landing.open("hospital-a", one.sha256) as stream,
    ):
        stream.read()


@pytest.mark.parametrize("sha256", ["0" * 64, "", "..", "../../etc/passwd", SHA256.upper(), SHA256 + "\n"])
def test_what_is_not_there_is_not_found(landing: Landing, sha256: str):
    """An absent file and a name that could not be one look alike."""
    with pytest.raises(PlatformError, match=r"landing\.not_found"):
        landing.open("hospital-a", sha256)


def test_an_organisation_id_cannot_point_elsewhere(landing: Landing):
    """The id becomes a folder, so it is checked here as well as where it is registered."""
    with pytest.raises(PlatformError, match=r"store\.name_refused"):
        landing.begin("../hospital-b")
    with pytest.raises(PlatformError, match=r"store\.name_refused"):
        landing.open("../hospital-b", SHA256)
