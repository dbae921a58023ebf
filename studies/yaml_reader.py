"""Strict YAML for documents that are evidence: every problem names the place in the document.

Accepted is what a person can check by eye: no duplicate keys, no anchors and aliases, no tags, no
unknown keys. A `Node` is a value that knows its path (`exposure.window_days[1]`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual

LARGEST_CHARACTERS = 1_000_000
DEEPEST = 32
LARGEST_NUMBER = 1e12
_MERGE = "tag:yaml.org,2002:merge"

PROTOCOL_REFUSED = Problem(
    code="protocol.refused",
    zh="研究方案的 {path} 处：{zh}。",
    en="The protocol at {path}: {en}.",
    next_zh="请修改研究方案文件中的该处后重试；字段说明见 docs/reference/protocol.md。",
    next_en="Correct that place and try again; docs/reference/protocol.md explains each field.",
)


def refused(path: str, zh: str, en: str) -> PlatformError:
    return PROTOCOL_REFUSED.error(path=path or "(document)", zh=zh, en=en)


@dataclass(frozen=True)
class Node:
    """A value of the document and where it stands."""

    value: Any
    path: str = ""

    def keys(self, required: Collection[str], optional: Collection[str] = ()) -> Node:
        """Check that this is a mapping with all required keys and none that is not named here."""
        mapping = self._mapping()
        known = [*required, *optional]
        for key in mapping:
            if key not in known:
                raise refused(
                    self._below(str(key)), "未知的字段", f"unknown key; known are {', '.join(sorted(known))}"
                )
        for key in required:
            if key not in mapping:
                raise refused(self._below(key), "缺少必填字段", "a required key is missing")
        return self

    def at(self, key: str) -> Node:
        return Node(self._mapping()[key], self._below(key))

    def has(self, key: str) -> bool:
        return key in self._mapping()

    def pairs(self) -> Iterator[tuple[str, Node]]:
        for key in self._mapping():
            yield key, self.at(key)

    def items(self, *, least: int = 0) -> tuple[Node, ...]:
        if not isinstance(self.value, list):
            raise self._wrong("应为列表", "a list is expected")
        if len(self.value) < least:
            raise self._wrong(f"至少需要 {least} 项", f"at least {least} are needed")
        return tuple(Node(item, f"{self.path}[{number}]") for number, item in enumerate(self.value))

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self._wrong(
                "应为文本（数字代码请加引号）", "text is expected (put a numeric code in quotes)"
            )
        if not self.value.strip():
            raise self._wrong("文本不能为空", "the text is empty")
        return self.value.strip()

    def word(self) -> str:
        """A name that can stand in ids and columns: a-z, 0-9 and _, a letter first."""
        text = self.text()
        if not (text.isascii() and text.isidentifier() and text == text.lower() and not text.startswith("_")):
            raise self._wrong(
                "名称只能由小写字母、数字和下划线组成", "a name consists of lower-case letters, digits and _"
            )
        return text

    def day(self) -> str:
        """A calendar date as text; YAML's own dates are refused by `text`, so it stands in quotes."""
        text = self.text()
        try:
            exact = date.fromisoformat(text).isoformat() == text
        except ValueError:
            exact = False
        if not exact:
            raise self._wrong("应为带引号的日期 YYYY-MM-DD", "must be a date in quotes, YYYY-MM-DD")
        return text

    def choice(self, *allowed: str) -> str:
        text = self.text()
        if text not in allowed:
            raise self._wrong(f"只能是：{'、'.join(allowed)}", f"must be one of: {', '.join(allowed)}")
        return text

    def integer(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self._wrong("应为整数", "an integer is expected")
        if abs(self.value) > LARGEST_NUMBER:
            raise self._wrong("数字过大", "the number is too large")
        return self.value

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._wrong("应为数字", "a number is expected")
        # Compared before it is converted: an integer of 400 digits is no float. NaN fails every comparison.
        if not abs(self.value) <= LARGEST_NUMBER:
            raise self._wrong("应为有限的数字", "a finite number is expected, and not too large")
        return float(self.value)

    def truth(self) -> bool:
        if not isinstance(self.value, bool):
            raise self._wrong("应为 true 或 false", "true or false is expected")
        return self.value

    def bilingual(self) -> Bilingual:
        self.keys(("zh", "en"))
        return Bilingual(self.at("zh").text(), self.at("en").text())

    def texts(self, *, least: int = 0) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items(least=least))

    def window(self) -> tuple[int, int]:
        """Two integers, first not after second: days since the index date, both included."""
        items = self.items()
        if len(items) != 2:
            raise self._wrong("应为两个整数 [起, 止]", "two integers [from, to] are expected")
        first, last = items[0].integer(), items[1].integer()
        if first > last:
            raise self._wrong("起始日晚于结束日", "the first day is after the last")
        return first, last

    def _mapping(self) -> dict[str, Any]:
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            raise self._wrong("应为“字段: 值”的映射", "a mapping of keys to values is expected")
        return self.value

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _wrong(self, zh: str, en: str) -> PlatformError:
        return refused(self.path, zh, en)


def read_yaml(text: str) -> Node:
    """The document as a `Node`. Raises `protocol.refused` for whatever is not plain, unambiguous YAML."""
    if len(text) > LARGEST_CHARACTERS:
        raise refused("", "文件过大", f"the file has more than {LARGEST_CHARACTERS} characters")
    try:
        return Node(yaml.load(text, Loader=_Strict))  # noqa: S506 - a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise refused(
            f"line {line}", f"不是有效的 YAML（{error.problem}）", f"not valid YAML ({error.problem})"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refused("", "不是有效的 YAML", "not valid YAML") from error


class _Strict(yaml.SafeLoader):
    """SafeLoader without aliases, merge keys, explicit tags and depth."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not used", problem_mark=event.start_mark
            )
        if getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(problem="tags are not used", problem_mark=event.start_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                raise yaml.MarkedYAMLError(problem="a key is a plain name", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {str(key.value)[:60]!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)
