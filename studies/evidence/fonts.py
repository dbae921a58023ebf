"""The two Chinese fonts of figures and reports, from a package: a fresh machine has none."""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from pathlib import Path

from rwd_platform.core.errors import Exit, Problem

SANS = "Noto Sans SC"
SERIF = "Noto Serif SC"

FONTS_MISSING = Problem(
    code="evidence.fonts_missing",
    zh="找不到中文字体包 pylopdf-fonts-zh-cn，无法生成报告。",
    en="The Chinese font package pylopdf-fonts-zh-cn is not installed, so no report can be made.",
    next_zh="请运行 `./run check`，它会按锁定的依赖清单补装。",
    next_en="Run `./run check`: it installs what the lock lists.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def sans_file() -> Path:
    try:
        import pylopdf_fonts_zh_cn
    except ImportError as error:
        raise FONTS_MISSING.error() from error
    return pylopdf_fonts_zh_cn.sans_path()


def font_folder() -> Path:
    return sans_file().parent


def written_out(text: str) -> str:
    """With `〔U+20BB7〕` for each letter that the fonts cannot draw: PDF/A allows no empty box, and nothing is dropped.

    The fonts have the letters of GB 18030's two-byte part and of European languages. A rare character of a name of a
    place or a sign of a telephone's keyboard must not keep a report from being made.
    """
    lacking = {one for one in set(text) if not _is_drawn(one)}
    if not lacking:
        return text
    return "".join(f"〔U+{ord(one):04X}〕" if one in lacking else one for one in text)


@cache
def _is_drawn(letter: str) -> bool:
    if letter in _UNSEEN:
        return True
    parts = unicodedata.normalize("NFD", letter)
    return letter in _letters() or (len(parts) > 1 and all(one in _letters() for one in parts))


# Spaces, joiners, marks of direction, and selectors of a letter's form: no font needs to have them.
_UNSEEN = frozenset("\t\r\n\u00a0\u00ad\u061c\u205f\u3000\ufeff").union(
    map(chr, (*range(0x2000, 0x2010), *range(0x2028, 0x2030), *range(0x2060, 0x2065), *range(0xFE00, 0xFE10)))
)


@cache
def _letters() -> frozenset[str]:
    """What both fonts have."""
    from fontTools.ttLib import TTFont

    found: list[frozenset[str]] = []
    for file in sorted(font_folder().glob("*.otf")):
        with TTFont(file, lazy=True) as font:
            found.append(frozenset(map(chr, font.getBestCmap())))
    return frozenset.intersection(*found)


def sans_subset(text: str) -> bytes:
    """Noto Sans SC with the letters of `text` alone (OTF): a page that carries it reads the same everywhere."""
    from fontTools import subset

    options = subset.Options()
    options.layout_features = ["kern", "tnum"]
    options.hinting = False
    options.recalc_timestamp = False
    options.notdef_outline = True
    with subset.load_font(str(sans_file()), options, lazy=True) as font:
        maker = subset.Subsetter(options)
        maker.populate(text="".join(sorted(set(text))))
        maker.subset(font)
        made = io.BytesIO()
        font.save(made, reorderTables=False)
    return made.getvalue()
