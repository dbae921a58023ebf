"""Where everything local lies: one home folder, one sub-folder a zone, readable by its owner alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from rwd_platform.core.errors import Exit, Problem

NAME_REFUSED = Problem(
    code="store.name_refused",
    zh="{kind}的名称不能用作文件夹名。",
    en="This {kind} cannot be used as the name of a folder.",
    next_zh="名称只能由字母、数字、点、短横线和下划线组成，以字母或数字开头，至多 128 个字符。",
    next_en="Use letters, digits, dots, hyphens and underscores, begin with a letter or digit, 128 at most.",
)

HOME_REFUSED = Problem(
    code="store.home_refused",
    zh="数据文件夹 {home} 的路径含有研究数据库不支持的字符：{characters}。",
    en="The path of the home folder {home} has characters that the lake cannot work with: {characters}.",
    next_zh="请把 RWD_HOME 设为不含 [ ] ^ | \\ % 的路径。",
    next_en="Set RWD_HOME to a path without [ ] ^ | \\ %.",
    exit=Exit.BROKEN_ENVIRONMENT,
)
# Delta 1.6.6 fails in native code on these in a path.
_HOME_CHARACTERS = "[]^|\\%"
_SCRATCH = ".scratch"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


def safe_name(name: str, kind: str) -> str:
    """`name`, if it can be one part of a path and nothing else. `kind` says in an error what was named."""
    if not _NAME.match(name):
        raise NAME_REFUSED.error(kind=kind)
    return name


Columns = tuple[tuple[str, str], ...]
"""(name, FHIR type) of a table's columns, in their order."""


@dataclass(frozen=True)
class Layout:
    """The paths below one home (`RWD_HOME`). Making a Layout touches nothing; `prepare` makes the folders.

    tables -- table of the lake -> its columns as defined now; asked when a table is read or written
    """

    home: Path
    tables: Callable[[], Mapping[str, Columns]] = field(default=dict, compare=False)

    @property
    def landing(self) -> Path:
        """Files as received, encrypted: landing/<organisation>/<sha256[:2]>/<sha256>.raw"""
        return self.home / "landing"

    @property
    def receipts(self) -> Path:
        """Line digests of every upload: receipts/<upload>.jsonl.gz"""
        return self.home / "receipts"

    @property
    def lake(self) -> Path:
        """Delta tables: lake/<table>/v1"""
        return self.home / "lake"

    @property
    def locks(self) -> Path:
        """Data locks: locks/<lock id>/"""
        return self.home / "locks"

    @property
    def results(self) -> Path:
        return self.home / "results"

    @property
    def packages(self) -> Path:
        return self.home / "packages"

    @property
    def counting(self) -> Path:
        """Tables prepared for counting: counting/<state>/<table>.parquet. They can be made again at any time."""
        return self.home / "counting"

    @property
    def tmp(self) -> Path:
        """Half-written things. It lies in the home so that a rename out of it is atomic."""
        return self.home / "tmp"

    def receipt(self, upload_id: str) -> Path:
        return self.receipts / f"{safe_name(upload_id, 'upload id')}.jsonl.gz"

    def lock(self, lock_id: str) -> Path:
        return self.locks / safe_name(lock_id, "lock id")

    @contextlib.contextmanager
    def scratch(self, kind: str) -> Iterator[Path]:
        """A folder for what does not fit into memory: gone at the end, or swept when its owner died."""
        durable_folder(self.tmp)
        folder = self.tmp / f"{safe_name(kind, 'folder')}-{uuid.uuid4().hex}"
        guard = folder.with_suffix(_SCRATCH)
        with open_part(guard):
            folder.mkdir(mode=0o700)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                guard.unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch_of_libraries(self) -> Iterator[None]:
        """What libraries put aside holds patients' rows: in the home it is swept, should this process be killed."""
        before = tempfile.tempdir
        with self.scratch("work") as scratch:
            tempfile.tempdir = str(scratch)
            try:
                yield
            finally:
                if tempfile.tempdir == str(scratch):  # else somebody began later and is not done
                    tempfile.tempdir = before if before and Path(before).is_dir() else None

    def sweep_scratch(self) -> int:
        """Remove scratch folders whose owner is gone; returns how many."""
        removed = 0
        for guard in sorted(self.tmp.glob(f"*{_SCRATCH}")):
            if is_left(guard):
                # The guard goes last, so that a sweep that dies itself can be run again.
                shutil.rmtree(guard.with_suffix(""), ignore_errors=True)
                removed += remove_if_left(guard)
        return removed

    def prepare(self) -> None:
        """Make every folder, mode 0700, also where it was there with a wider mode."""
        strange = [character for character in _HOME_CHARACTERS if character in str(self.home.absolute())]
        if strange:
            raise HOME_REFUSED.error(home=self.home, characters=" ".join(strange))
        for folder in (
            self.home,
            self.landing,
            self.receipts,
            self.lake,
            self.locks,
            self.results,
            self.packages,
            self.tmp,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut: a rename is durable only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def durable_folder(folder: Path) -> None:
    """Make a folder (and its parents), mode 0700, so that it survives a power cut."""
    if folder.is_dir():
        return
    durable_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def open_part(path: Path) -> BinaryIO:
    """A new file, not yet under its name; held with a lock that the kernel drops when its writer dies."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.fdopen(descriptor, "wb")


def remove_if_left(part: Path) -> bool:
    """Remove a part whose writer is gone. One that is still being written stays, and the answer is False."""
    try:
        with part.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def is_left(part: Path) -> bool:
    """Whether nobody writes this part any more: its lock is free."""
    try:
        with part.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
