"""Which names of files and columns may be repeated in messages and reports: the rule of deidentify/file_names.py.

Whoever sends a file names it, often after the patient; a file without a header begins with somebody's record.
"""

from __future__ import annotations

from pathlib import Path

from rwd_platform.core.text import Bilingual

HIDDEN = "***"
_LONGEST_ENDING = 8


def shown_file(path: Path) -> str:
    """The file's name; `***.csv` where it holds, or in Latin letters may hold, a person's name, number or address."""
    name = path.name
    stem, ending = path, ""
    while stem.suffix and len(stem.suffix) <= _LONGEST_ENDING and stem.suffix[1:].isalpha():
        stem, ending = stem.with_suffix(""), stem.suffix + ending
    if _may_be_shown(stem.name) and _may_be_shown(ending.replace(".", " ").strip()):
        return name
    return HIDDEN + (ending if ending.isascii() and _may_be_shown(ending.replace(".", " ").strip()) else "")


def shown_column(header: str, position: int) -> Bilingual:
    """A column's name in quotes; its place from 1 where the name may be a person's."""
    from deidentify.risk.headers import kind_of_header

    if kind_of_header(header) or _may_be_shown(header):
        return Bilingual(f"“{header}”", f"“{header}”")
    return Bilingual(f"第 {position} 列", f"column {position}")


def _may_be_shown(text: str) -> bool:
    from deidentify.file_names import Verdict, judge

    return not text or judge(text) is Verdict.PASSES
