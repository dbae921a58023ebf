"""A package is checked apart: a copy that nobody writes to, this platform's own programs, no network.

A program runs as `python -I -B` in an empty environment, and an audit hook (PEP 578) refuses every connection. That is
no sandbox, and none is needed: what runs are this platform's own bytes. It shows that they need no network.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studies.evidence.acceptance import Fault
from studies.evidence.templates import verify as standalone

LARGEST = 2 * 1024**3  # bytes of a package; the demo's have twenty million
MOST_FILES = 100_000
LONGEST = 3600  # seconds of one program
_SHUT = (
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
)  # fmt: skip
_APART = f"""
import runpy, sys
def shut(event, arguments):
    if event in {_SHUT!r}:
        raise PermissionError("no network")
sys.addaudithook(shut)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Copy:
    """
    given   -- the package as it was handed over, archive or folder, to be verified
    folder  -- the same, unpacked
    members -- path -> content of every file
    home    -- an empty folder for what a program run beside it may want to write
    """

    given: Path
    folder: Path
    members: Mapping[str, bytes]
    home: Path


@dataclass(frozen=True)
class Ended:
    """How a program ended: `code` is None where it took too long."""

    code: int | None
    said: str


@contextmanager
def copy_of(package: Path) -> Iterator[Copy | list[Fault]]:
    """A read-only copy for as long as it is needed, or what keeps the package from being unpacked.

    Nothing is written outside the copy: a path that leaves the package, a link and an archive that is not in its one
    form are faults, and nothing is unpacked then.
    """
    scratch = Path(tempfile.mkdtemp(prefix="rwd-accept-"))
    try:
        yield _copied(package, scratch)
    finally:
        _allow_writing(scratch)
        shutil.rmtree(scratch)


def _copied(package: Path, scratch: Path) -> Copy | list[Fault]:
    too_much = _too_much(package)
    if too_much:
        return [too_much]
    findings = standalone.Findings()
    given = package
    if package.is_file():
        given = scratch / "package.zip"
        shutil.copyfile(package, given)
        given.chmod(stat.S_IRUSR)
    members = standalone.read_package(given, findings)
    if findings.failures or not members:
        places = ((_named(one.place, given, package), one.zh, one.en) for one in findings.failures)
        return [Fault(*one) for one in places] or [_nothing(package)]
    folder = scratch / "package"
    try:
        _unpack(members, folder)
    except (
        OSError,
        ValueError,
    ) as error:  # a file where another name has a folder, a name that no disk takes
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        return [Fault(package.name, "其中的文件名无法解压。", "Its files' names cannot be unpacked.")]
    home = scratch / "home"
    home.mkdir()
    return Copy(given if package.is_file() else folder, folder, members, home)


def _unpack(members: Mapping[str, bytes], folder: Path) -> None:
    for name, content in members.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    _refuse_writing(folder)


def _named(place: str, given: Path, package: Path) -> str:
    """The archive under the name that it was given by."""
    return package.name if place == given.name else place


def _nothing(package: Path) -> Fault:
    return Fault(package.name, "其中没有任何文件。", "There are no files in it.")


def _too_much(package: Path) -> Fault | None:
    """Told before anything is read: a package is held in memory."""
    files = size = 0
    if not package.is_dir():
        files, size = 1, package.stat().st_size
    else:
        for top, _, names in os.walk(package):
            files += len(names)
            size += sum(Path(top, name).lstat().st_size for name in names)
            if files > MOST_FILES or size > LARGEST:
                break
    if files <= MOST_FILES and size <= LARGEST:
        return None
    return Fault(
        package.name,
        f"超过 {LARGEST:,} 字节或 {MOST_FILES:,} 个文件，未予读取。",
        f"It has more than {LARGEST:,} bytes or {MOST_FILES:,} files and was not read.",
    )


def run_apart(program: Path, *arguments: str, home: Path, longest: float = LONGEST) -> Ended:
    """One program of this platform, without network, repository or environment; what it wrote to its output."""
    command = [sys.executable, "-I", "-B", "-X", "utf8", "-c", _APART, str(program), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - this platform's own program, by its own interpreter
            command,
            capture_output=True,
            timeout=longest,
            check=False,
            cwd=home,
            env={"HOME": str(home), "PATH": os.defpath},
        )
    except subprocess.TimeoutExpired:
        return Ended(None, "")
    return Ended(done.returncode, done.stdout.decode("utf-8", "replace"))


def _refuse_writing(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        path.chmod(stat.S_IRUSR | stat.S_IXUSR if path.is_dir() else stat.S_IRUSR)


def _allow_writing(folder: Path) -> None:
    """From above: what is in a folder is seen once the folder may be entered."""
    folder.chmod(stat.S_IRWXU)
    for top, inner, _ in os.walk(folder):
        for name in inner:
            Path(top, name).chmod(stat.S_IRWXU)
