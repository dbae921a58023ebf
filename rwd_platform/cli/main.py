"""`rwd`: one verb, one flow. The contract is docs/reference/commands.md.

Everything heavy is imported inside the verbs, so that `rwd --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import click
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
NO_SPACE = 28  # errno.ENOSPC


def existing(paths: list[Path]) -> list[Path]:
    for path in paths:
        if not path.exists():
            raise FILE_MISSING.error(name=path.name)
    return paths


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
    except click.ClickException as error:
        error.show(sys.stderr)
        if as_json:
            answer({"error": {"code": "cli.usage", "en": error.format_message()}})
        return Exit.MALFORMED
    except click.Abort:
        say("中断 · interrupted")
        return 130
    except BrokenPipeError:
        return Exit.YES
    except OSError as error:
        if error.errno != NO_SPACE:
            raise
        show(DISK_FULL.error(), as_json=as_json)
        return Exit.BROKEN_ENVIRONMENT


def _register() -> None:
    from rwd_platform.cli import checking, documents, operating, studying, verifying

    for module in (checking, documents, operating, studying, verifying):
        module.register(app)


if __name__ == "__main__":
    sys.exit(main())
