"""Files that a person names on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rwd_platform.core.errors import Problem

OWN_INPUT = Problem(
    code="cli.own_input",
    zh="输出会覆盖输入文件 {name}。",
    en="The output would be written over the input {name}.",
    next_zh="请用 --out 指定另一个文件。",
    next_en="Name another file with --out.",
)


def check_not_an_input(out: Path, inputs: Iterable[Path]) -> None:
    """Refuses to write over what is being read: what the person has may be the only copy."""
    for path in inputs:
        if out.resolve() == path.resolve() or (out.exists() and path.exists() and out.samefile(path)):
            raise OWN_INPUT.error(name=path.name)
