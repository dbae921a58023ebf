"""The two Chinese fonts of figures and reports, from a package: a fresh machine has none."""

from __future__ import annotations

import io
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


def sans_subset(text: str) -> bytes:
    """Noto Sans SC with the letters of `text` alone (OTF): a page that carries it reads the same everywhere."""
    from fontTools import subset  # type: ignore[import-untyped,unused-ignore]

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
