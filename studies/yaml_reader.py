"""Strict YAML for documents that are evidence: every problem names the place in the document.

Accepted is what a person can check by eye: no duplicate keys, no anchors and aliases, no tags, no
unknown keys. A `Node` is a value that knows its path (`exposure.window_days[1]`, counted from 0 as programs do). People
read places by the ids that the document gives, `analyses[all.crude].days`, or counted from 1, `days[item 2]`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from typing import Any

import yaml

from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual

LARGEST_CHARACTERS = 1_000_000
DEEPEST = 32
LARGEST_NUMBER = 1e12
FARTHEST_DAYS = 36_525  # a hundred years: nothing that is known of a patient lies farther from anything else
_LEAST_DAYS = {1: ("大于 0", "above 0"), 0: ("不为负数", "not negative")}
_LISTED = 10  # of what is known, in a refusal
_LONGEST_NAME = 60
_MERGE = "tag:yaml.org,2002:merge"
_ITEM = re.compile(r"\[(\d{1,9})\]")
_NAME = re.compile(r"[\w.-]{1,60}")
_PLAIN_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")

PROTOCOL_REFUSED = Problem(
    code="protocol.refused",
    zh="文件有误，{place_zh}：{zh}。",
    en="The file is not right, {place_en}: {en}.",
    next_zh="请修改该处后重试；字段说明：研究方案见 docs/reference/protocol.md，队列见 docs/reference/cohort.md。",
    next_en="Correct that place and try again. docs/reference/protocol.md explains the fields of a protocol, "
    "docs/reference/cohort.md those of a cohort.",
)


def refused(
    path: str, zh: str, en: str, line: int = 0, names: Mapping[str, str] | None = None
) -> PlatformError:
    """The error that names a place; `path` "" for the document itself, `line` 0 where it is not known.

    names -- path of an item of a list -> its id in the document
    """
    if path:
        shown_zh, shown_en = (_shown(path, names or {}, word) for word in ("第 {} 项", "item {}"))
        place_zh = f"{shown_zh} 处" + (f"（第 {line} 行）" if line else "")
        place_en = f"at {shown_en}" + (f" (line {line})" if line else "")
    else:
        place_zh, place_en = (f"第 {line} 行", f"at line {line}") if line else ("整个文件", "as a whole")
    return PROTOCOL_REFUSED.error(path=path, line=line, place_zh=place_zh, place_en=place_en, zh=zh, en=en)


def _shown(path: str, names: Mapping[str, str], item: str) -> str:
    def one(found: re.Match[str]) -> str:
        return f"[{names.get(path[: found.end()]) or item.format(int(found[1]) + 1)}]"

    return _ITEM.sub(one, path)


def located(error: PlatformError, root: Node) -> PlatformError:
    """The same refusal with its line and the ids around it: checks of parts against each other know a path alone."""
    if error.problem is not PROTOCOL_REFUSED or error.details["line"] or not error.details["path"]:
        return error
    place = Node(None, error.details["path"], root.lines, root.names)
    return place.wrong(error.details["zh"], error.details["en"])


def printed(written: object) -> str:
    """What somebody wrote, as it can stand in a sentence: one line, not too long, nothing that does not print."""
    text = str(written)
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: _LONGEST_NAME + 1])
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def among(written: str, known: Collection[str]) -> tuple[str, str]:
    """To put behind a refusal in zh and en: what was probably meant, and what there is (ten, and how many more)."""
    if not known:
        return "（没有任何已定义的）", " (none is defined)"
    near = get_close_matches(written[: 2 * _LONGEST_NAME], list(known), n=1, cutoff=0.6)
    listed, more = list(known)[:_LISTED], len(known) - _LISTED
    zh, en = "、".join(listed), ", ".join(listed)
    if more > 0:
        zh, en = f"{zh} 等 {len(known)} 个", f"{en} and {more} more"
    if near:
        return f"（是否想写 {near[0]}？已定义：{zh}）", f" (did you mean {near[0]}? Defined: {en})"
    return f"（已定义：{zh}）", f" (defined: {en})"


def nearest(written: str, known: Collection[str]) -> tuple[str, str]:
    """What was probably meant, to put behind a refusal in zh and en; "" where nothing is near."""
    near = get_close_matches(written, list(known), n=1, cutoff=0.6)
    return (f"（是否想写 {near[0]}？）", f" (did you mean {near[0]}?)") if near else ("", "")


def _unknown(key: str, known: Collection[str]) -> tuple[str, str]:
    near_zh, near_en = nearest(key, known)
    return f"未知的字段{near_zh}", f"unknown key{near_en}; known are {', '.join(sorted(known))}"


@dataclass(frozen=True)
class Node:
    """A value of the document and where it stands."""

    value: Any
    path: str = ""
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)  # path -> line, from 1
    names: Mapping[str, str] = field(
        default_factory=dict, repr=False, compare=False
    )  # path of item -> its id

    @property
    def line(self) -> int:
        """The line of the document; of what is not in it, the line of the nearest thing around it."""
        path = self.path
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 0)

    def keys(self, required: Collection[str], optional: Collection[str] = ()) -> Node:
        """Check that this is a mapping with all required keys and none that is not named here."""
        mapping = self._mapping()
        known = [*required, *optional]
        for key in mapping:
            if key not in known:
                raise self._at(self._below(key), *_unknown(key, known))
        for key in required:
            if key not in mapping:
                raise self._at(self._below(key), "缺少必填字段", "a required key is missing")
        return self

    def at(self, key: str) -> Node:
        return Node(self._mapping()[key], self._below(key), self.lines, self.names)

    def has(self, key: str) -> bool:
        return key in self._mapping()

    def pairs(self) -> Iterator[tuple[str, Node]]:
        for key in self._mapping():
            yield key, self.at(key)

    def items(self, *, least: int = 0) -> tuple[Node, ...]:
        if not isinstance(self.value, list):
            raise self.wrong("应为列表", "a list is expected")
        if len(self.value) < least:
            raise self.wrong(f"至少需要 {least} 项", f"at least {least} are needed")
        return tuple(
            Node(item, f"{self.path}[{number}]", self.lines, self.names)
            for number, item in enumerate(self.value)
        )

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong(
                "应为文本（数字代码请加引号）", "text is expected (put a numeric code in quotes)"
            )
        if not self.value.strip():
            raise self.wrong("文本不能为空", "the text is empty")
        return self.value.strip()

    def word(self) -> str:
        """A name that can stand in ids and columns: a-z, 0-9 and _, a letter first."""
        text = self.text()
        if not (text.isascii() and text.isidentifier() and text == text.lower() and not text.startswith("_")):
            raise self.wrong(
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
            raise self.wrong("应为带引号的日期 YYYY-MM-DD", "must be a date in quotes, YYYY-MM-DD")
        return text

    def choice(self, *allowed: str) -> str:
        text = self.text()
        if text not in allowed:
            near_zh, near_en = nearest(text, allowed)
            raise self.wrong(
                f"只能是：{'、'.join(allowed)}{near_zh}", f"must be one of: {', '.join(allowed)}{near_en}"
            )
        return text

    def integer(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.wrong("应为整数", "an integer is expected")
        if abs(self.value) > LARGEST_NUMBER:
            raise self.wrong("数字过大", "the number is too large")
        return self.value

    def days(self, *, least: int = 1) -> int:
        """A number of days: `least` or more, and no more than a hundred years."""
        value = self.integer()
        if not least <= value <= FARTHEST_DAYS:
            zh, en = _LEAST_DAYS.get(least, (f"不小于 {least}", f"at least {least}"))
            raise self.wrong(
                f"天数应{zh}，且不超过 {FARTHEST_DAYS}（一百年）",
                f"a number of days is {en} and at most {FARTHEST_DAYS} (a hundred years)",
            )
        return value

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.wrong("应为数字", "a number is expected")
        # Compared before it is converted: an integer of 400 digits is no float. NaN fails every comparison.
        if not abs(self.value) <= LARGEST_NUMBER:
            raise self.wrong("应为有限的数字", "a finite number is expected, and not too large")
        return float(self.value)

    def truth(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.wrong("应为 true 或 false", "true or false is expected")
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
            raise self.wrong("应为两个整数 [起, 止]", "two integers [from, to] are expected")
        first, last = (item.days(least=-FARTHEST_DAYS) for item in items)
        if first > last:
            raise self.wrong("起始日晚于结束日", "the first day is after the last")
        return first, last

    def _mapping(self) -> dict[str, Any]:
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            raise self.wrong("应为“字段: 值”的映射", "a mapping of keys to values is expected")
        return self.value

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, zh: str, en: str) -> PlatformError:
        """The error that says what is wrong with this value, and where it stands."""
        return refused(self.path, zh, en, self.line, self.names)

    def _at(self, path: str, zh: str, en: str) -> PlatformError:
        return Node(None, path, self.lines, self.names).wrong(zh, en)


def read_yaml(text: str) -> Node:
    """The document as a `Node`. Raises `protocol.refused` for whatever is not plain, unambiguous YAML."""
    if len(text) > LARGEST_CHARACTERS:
        raise refused("", "文件过大", f"the file has more than {LARGEST_CHARACTERS} characters")
    try:
        value, lines, names = _load(text)
        return Node(value, "", lines, names)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        why = getattr(error, "zh", "多为缩进、冒号、引号或括号有误")
        raise refused("", f"不是有效的 YAML（{why}）", f"not valid YAML ({error.problem})", line) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refused("", "不是有效的 YAML", "not valid YAML") from error


def _load(text: str) -> tuple[Any, dict[str, int], dict[str, str]]:
    """The document's value, the line that each of its places begins on, and the ids of the items of its lists."""
    loader = _Strict(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}, {}
        lines: dict[str, int] = {}
        names: dict[str, str] = {}
        _note_places(node, "", lines, names)
        return loader.construct_document(node), lines, names
    finally:
        loader.dispose()


def _note_places(node: yaml.Node, path: str, lines: dict[str, int], names: dict[str, str]) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            _note_places(value, below, lines, names)
            lines[below] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        ids = [_id_of(value) for value in node.value]
        often = Counter(ids)
        for number, value in enumerate(node.value):
            below = f"{path}[{number}]"
            _note_places(value, below, lines, names)
            # An id that stands twice names neither place.
            if ids[number] and often[ids[number]] == 1:
                names[below] = ids[number]


def _id_of(node: yaml.Node) -> str:
    """What an item of a list calls itself; "" where it does not, or not in a way that can stand in a path."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    found = {str(key.value): value.value for key, value in pairs if isinstance(value, yaml.ScalarNode)}
    name = found.get("id", found.get("name", ""))
    return name if _NAME.fullmatch(name) and not name.isdigit() else ""


class _Unclear(yaml.MarkedYAMLError):
    """YAML that is valid and that nobody can check by eye; said in both languages, as the library's own is not."""

    def __init__(self, zh: str, en: str, mark: Any) -> None:
        super().__init__(problem=en, problem_mark=mark)
        self.zh = zh


class _Strict(yaml.SafeLoader):
    """SafeLoader without aliases, merge keys, explicit tags and depth."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Unclear("不使用锚点与别名", "anchors and aliases are not used", event.start_mark)
        if getattr(event, "tag", None):
            raise _Unclear("不使用标签", "tags are not used", event.start_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise _Unclear("嵌套过深", "nested too deeply", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_yaml_int(self, node: Any) -> int:
        """Whole numbers as people write them: `010` is 8 to YAML and `12:30` is 750, which nobody means."""
        text = str(self.construct_scalar(node))
        if not _PLAIN_INTEGER.fullmatch(text):
            written = printed(text)
            raise _Unclear(
                f"'{written}' 请写成普通整数；如为文本请加引号",
                f"write '{written}' as a plain whole number, or in quotes if it is text",
                node.start_mark,
            )
        return int(text)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                raise _Unclear("键须为普通名称", "a key is a plain name", key.start_mark)
            if key.value in seen:
                named = f"'{printed(key.value)}'"
                raise _Unclear(f"键 {named} 重复出现", f"the key {named} stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Strict.add_constructor("tag:yaml.org,2002:int", _Strict.construct_yaml_int)
