"""Where a TOML file is broken, in both languages."""

from __future__ import annotations

import re
import tomllib

from rwd_platform.core.text import Bilingual

_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")


def place_of(error: tomllib.TOMLDecodeError) -> Bilingual:
    """Of the parser's message only the place, from 1: the rest is English and may quote the file."""
    found = _PLACE.search(str(error))
    if found is None:
        return Bilingual("文件末尾", "at the end of the file")
    return Bilingual(f"第 {found[1]} 行第 {found[2]} 列", f"at line {found[1]}, column {found[2]}")
