"""An error of the program in a long verb: a card with what to do in place of a traceback, which `--debug` prints.

The lines that it passed are shown, never its message: that may repeat a patient's value (as rwd_platform.flows.jobs).
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from rwd_platform.cli.files import problem_of
from rwd_platform.cli.output import note
from rwd_platform.core.errors import Exit, PlatformError, Problem

BROKE = Problem(
    code="cli.broke",
    zh="命令因程序错误（{kind}）没有完成。已经登记在案的内容没有改动。",
    en="The command stopped on an error of the program ({kind}). What was on record before is as it was.",
    next_zh="请加上 --debug 再运行一次，把输出交给平台技术支持：其中只有程序出错的位置，没有数据。",
    next_en="Run it again with --debug and give the output to support: it names the places in the program alone, and "
    "no data.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
Debug = Annotated[
    bool, typer.Option("--debug", help="程序出错时显示出错位置 · where an error of the program happened")
]


@contextmanager
def in_words(*, debug: bool) -> Iterator[None]:
    """Raises `cli.broke` for what nobody foresaw; what has words of its own passes."""
    try:
        yield
    except (PlatformError, typer.Abort, typer.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and problem_of(error) is not None:
            raise
        if debug:
            note(*"".join(traceback.format_tb(error.__traceback__)).splitlines())
        raise BROKE.error(kind=type(error).__name__) from error
