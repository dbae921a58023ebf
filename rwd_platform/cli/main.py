"""`rwd`: one verb, one flow. The contract is docs/reference/commands.md.

Everything heavy is imported inside the verbs, so that `rwd --help` answers at once.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.output import answer, say, show
from rwd_platform.core.errors import Exit, PlatformError, Problem

app = typer.Typer(
    name="rwd",
    help="博鳌乐城真实世界数据研究平台 · RWD research platform for Boao Lecheng",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help starts three times as fast
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="stdout 只输出 JSON · JSON only on stdout")]

FILE_MISSING = Problem(
    code="cli.file_missing",
    zh="找不到或无法读取文件 {name}。",
    en="There is no readable file {name}.",
    next_zh="请核对路径与权限。",
    next_en="Check the path and its permissions.",
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
    next_zh="请指定一个可写的文件夹。",
    next_en="Name a folder that can be written to.",
    exit=Exit.BROKEN_ENVIRONMENT,
)
USAGE = Problem(
    code="cli.usage",
    zh="命令的写法不对：{why}",
    en="The command is not written as it should be: {why}",
    next_zh="请用 --help 查看该命令的写法。",
    next_en="Add --help to see how the command is written.",
)
# Typer may bring a click of its own, so its errors are found through what it exports itself.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
_UNREADABLE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR)


def existing(paths: list[Path]) -> list[Path]:
    for path in paths:
        if not path.exists():
            raise FILE_MISSING.error(name=path.name)
    return paths


def writable_folder(path: Path) -> Path:
    """The folder, made if need be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise CANNOT_WRITE.error(name=path.name) from error
    return path


def text_of(path: Path) -> str:
    """The text of a file that a person names."""
    try:
        return existing([path])[0].read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise NOT_TEXT.error(name=path.name) from None


def main() -> int:
    """Run the command line; the return value is the exit code of the contract."""
    _register()
    as_json = "--json" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
        return int(code) if isinstance(code, int) else Exit.YES
    except PlatformError as error:
        show(error, as_json=as_json)
        return error.exit
    except _USAGE_ERROR as error:
        return _say_usage(error, as_json=as_json)
    except typer.Abort:
        say("中断 · interrupted")
        return 130
    except BrokenPipeError:
        return Exit.YES
    except OSError as error:
        problem = _plainly(error)
        if problem is None:
            raise
        show(problem, as_json=as_json)
        return problem.exit


def _say_usage(error: Exception, *, as_json: bool) -> int:
    error.show(sys.stderr)  # type: ignore[attr-defined]
    if as_json:
        answer({"error": USAGE.error(why=error.format_message()).as_dict()})  # type: ignore[attr-defined]
    return Exit.MALFORMED


def _plainly(error: OSError) -> PlatformError | None:
    """A full disk and a file that cannot be read are no errors of the program."""
    if error.errno == errno.ENOSPC:
        return DISK_FULL.error()
    if error.errno in _UNREADABLE and error.filename:
        return FILE_MISSING.error(name=Path(str(error.filename)).name)
    return None


def _register() -> None:
    if app.registered_commands:
        return
    from rwd_platform.cli import (
        break_glass,
        checking,
        documents,
        keys,
        operating,
        policies,
        recoding,
        releases,
        risk,
        studying,
        texts,
        verifying,
    )

    for module in (
        break_glass,
        checking,
        documents,
        keys,
        operating,
        policies,
        recoding,
        releases,
        risk,
        studying,
        texts,
        verifying,
    ):
        module.register(app)


if __name__ == "__main__":
    sys.exit(main())
