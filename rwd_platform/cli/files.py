"""Files and folders that a person names on the command line.

Errors show the name, never the whole path, and not a name that may be a person's.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from rwd_platform.core.errors import Exit, PlatformError, Problem

FILE_MISSING = Problem(
    code="cli.file_missing",
    zh="找不到或无法读取文件 {name}。",
    en="There is no readable file {name}.",
    next_zh="请核对路径与权限。",
    next_en="Check the path and its permissions.",
)
IS_FOLDER = Problem(
    code="cli.is_folder",
    zh="{name} 是文件夹，此处需要文件。",
    en="{name} is a folder; a file is needed here.",
    next_zh="请给出该文件夹中某个文件的路径。",
    next_en="Give the path of a file in it.",
)
IS_FILE = Problem(
    code="cli.is_file",
    zh="{name} 是文件，此处需要文件夹。",
    en="{name} is a file; a folder is needed here.",
    next_zh="请给出文件夹的路径。",
    next_en="Give the path of a folder.",
)
NOT_TEXT = Problem(
    code="cli.not_text",
    zh="文件 {name} 不是 UTF-8 文本。",
    en="The file {name} is not UTF-8 text.",
    next_zh="请另存为 UTF-8 编码后重试。",
    next_en="Save it as UTF-8 and try again.",
)
CANNOT_WRITE = Problem(
    code="cli.cannot_write",
    zh="无法写入 {name}。",
    en="{name} cannot be written to.",
    next_zh="请指定可写的位置；文件所在的文件夹须已存在。",
    next_en="Name a place that can be written to; the folder of a file has to be there.",
    exit=Exit.BROKEN_ENVIRONMENT,
)
OWN_INPUT = Problem(
    code="cli.own_input",
    zh="输出会覆盖输入文件 {name}。",
    en="The output would be written over the input {name}.",
    next_zh="请另行指定输出位置。",
    next_en="Name another place for the output.",
)
FILE_THERE = Problem(
    code="cli.file_there",
    zh="{name} 已经存在，没有写入：里面可能是别处没有的内容。",
    en="{name} is there already and was not written over: what it holds may be nowhere else.",
    next_zh="请换一个文件名；确实不再需要原文件时，请先自行删除。",
    next_en="Name another file; where the one that is there is no longer needed, delete it first.",
)
DISK_FULL = Problem(
    code="cli.disk_full",
    zh="磁盘已满，操作没有完成。",
    en="The disk is full; the operation was not completed.",
    next_zh="请腾出空间后重试。",
    next_en="Free some space and try again.",
    http=507,
    exit=Exit.BROKEN_ENVIRONMENT,
)
_UNREADABLE = (
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENXIO,
)


def shown_name(path: Path) -> str:
    """The file's or folder's name as it may be repeated: `***.csv` for one that may be a person's."""
    from deidentify.risk.shown import shown_file

    return shown_file(path)


def existing(paths: Sequence[Path]) -> Sequence[Path]:
    """The paths, each of which is there: a file or a folder."""
    for path in paths:
        if not _is_there(path):
            raise FILE_MISSING.error(name=shown_name(path))
    return paths


def existing_files(paths: Sequence[Path]) -> Sequence[Path]:
    """The paths, none of which is missing or a folder."""
    for path in existing(paths):
        if path.is_dir():
            raise IS_FOLDER.error(name=shown_name(path if path.name else path.resolve()))
    return paths


def existing_folder(path: Path) -> Path:
    if not existing([path])[0].is_dir():
        raise IS_FILE.error(name=shown_name(path))
    return path


def writable_folder(path: Path) -> Path:
    """The folder, made if need be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _not_written(path, error) from error
    return path


def text_of(path: Path) -> str:
    """The text of a file that a person names."""
    try:
        return existing_files([path])[0].read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise NOT_TEXT.error(name=shown_name(path)) from None


def write_text(path: Path, text: str) -> None:
    """The file with that text. Its folder has to be there: a slip of the pen makes no folders."""
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        raise _not_written(path, error) from error


def bytes_of(path: Path, most: int) -> bytes:
    """The file's bytes; of a larger one the first `most` and one more, so that its reader says it is too large."""
    with existing_files([path])[0].open("rb") as source:
        return source.read(most + 1)


def write_private(path: Path, content: bytes) -> None:
    """Readable by its owner alone, also where there was a file before."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(number, "wb") as sink:
            os.fchmod(sink.fileno(), 0o600)
            sink.write(content)
    except (OSError, ValueError) as error:
        raise _not_written(path, error) from None


def check_new(out: Path) -> None:
    """Refuses to write over a file that somebody may have worked in. Asked before anything is looked up for it."""
    if os.path.lexists(out):
        raise FILE_THERE.error(name=shown_name(out))


def check_not_an_input(out: Path, inputs: Iterable[Path]) -> None:
    """Refuses to write over what is being read: what the person has may be the only copy."""
    for path in inputs:
        if out.resolve() == path.resolve() or (_is_there(out) and _is_there(path) and out.samefile(path)):
            raise OWN_INPUT.error(name=shown_name(path))


def problem_of(error: OSError) -> PlatformError | None:
    """A full disk and a file that cannot be read are no errors of the program; of others None."""
    if error.errno == errno.ENOSPC:
        return DISK_FULL.error()
    name = shown_name(Path(str(error.filename))) if error.filename else ""
    if error.errno == errno.EISDIR and name:
        return IS_FOLDER.error(name=name)
    return FILE_MISSING.error(name=name) if error.errno in _UNREADABLE and name else None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, a folder that may not be entered
        return False


def _not_written(path: Path, error: OSError | ValueError) -> PlatformError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DISK_FULL.error()
    return CANNOT_WRITE.error(name=shown_name(path))
