"""A TOML file's fault is told by its place, without the parser's words, which may quote the file."""

from __future__ import annotations

import tomllib

import pytest

from rwd_platform.core.toml_place import place_of


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("a = 1\nb = 张三\n", "第 2 行第 5 列", "at line 2, column 5"),
        ('a = "', "文件末尾", "at the end of the file"),
    ],
)
def test_the_place_is_line_and_column_from_1(text: str, zh: str, en: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as broken:
        tomllib.loads(text)
    assert place_of(broken.value) == (zh, en)
