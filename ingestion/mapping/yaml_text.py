"""YAML as people mean it: `no` may be a country, 1.50 keeps its zero, and a key stands once.

A `Node` is a parsed value with its path, so that every refusal names the place: `tables[0].emit[2].when`.
Anchors are refused: a few lines of them can stand for gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import yaml

from ingestion.mapping.problems import MappingRefused

MAX_CHARACTERS = 1 << 20
_MAX_DEPTH = 64
_TAG = "tag:yaml.org,2002:"
# YAML 1.2 core, without its octal and infinite numbers: nothing else is more than a text.
_PLAIN = (
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+", "-+0123456789"),
    ("null", r"~|null|", ["~", "n", ""]),
)


class _Loader(yaml.SafeLoader):
    """SafeLoader that knows few types, keeps decimals exact and refuses equal keys."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # the stub says "instance"


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _at(key_node, "键应为文字，请加引号", "a key must be a text: quote it")
        if key in found:
            raise _at(key_node, f"键 {key} 出现两次", f"the key {key} stands twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _at(node: yaml.Node, zh: str, en: str) -> MappingRefused:
    line = node.start_mark.line + 1
    return MappingRefused(f"line {line}", zh, en)


for _name, _pattern, _starts in _PLAIN:
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_pattern})\\Z"), list(_starts))
_Loader.add_constructor(f"{_TAG}float", _decimal)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(text: str) -> Node:
    """The document's root. Raises `MappingRefused` for anything but one plain YAML document."""
    if len(text) > MAX_CHARACTERS:
        raise MappingRefused(
            "", f"文件超过 {MAX_CHARACTERS} 个字符", f"it has more than {MAX_CHARACTERS} characters"
        )
    try:
        _check_events(text)
        return Node(yaml.load(text, Loader=_Loader), "")  # noqa: S506  # a SafeLoader with fewer types
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MappingRefused(f"line {line}", "不是合法的 YAML", "it is not YAML") from None
    except (yaml.YAMLError, ValueError, ArithmeticError):
        raise MappingRefused("", "不是合法的 YAML", "it is not YAML") from None


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = f"line {event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise MappingRefused(line, "不允许使用 YAML 锚点", "YAML anchors are not allowed here")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise MappingRefused(line, "嵌套过深", "it is nested too deeply")


@dataclass(frozen=True)
class Node:
    """A value of the YAML document and the path to it."""

    value: Any
    path: str

    def refuse(self, zh: str, en: str) -> MappingRefused:
        return MappingRefused(self.path, zh, en)

    def at(self, step: str | int) -> str:
        if isinstance(step, int):
            return f"{self.path}[{step}]"
        return f"{self.path}.{step}" if self.path else step

    def fields(self, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Node]:
        """The children of an object, by key; every required key there, and no key that is not named."""
        if not isinstance(self.value, dict):
            raise self.refuse("应为键值对", "it must be a mapping of keys to values")
        for key in self.value:
            if key not in required and key not in optional:
                known = [*required, *optional]
                raise MappingRefused(
                    self.at(key),
                    f"没有这个键；可用：{'、'.join(known)}",
                    f"no such key; available: {', '.join(known)}",
                )
        for key in required:
            if key not in self.value:
                raise MappingRefused(self.at(key), "缺少该键", "this key is missing")
        return {key: Node(value, self.at(key)) for key, value in self.value.items()}

    def pairs(self) -> Iterator[tuple[str, Node]]:
        """The children of an object with free keys."""
        if not isinstance(self.value, dict):
            raise self.refuse("应为键值对", "it must be a mapping of keys to values")
        for key, value in self.value.items():
            yield key, Node(value, self.at(key))

    def items(self) -> list[Node]:
        """The members of a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            raise self.refuse("应为非空列表", "it must be a list with at least one member")
        return [Node(value, self.at(number)) for number, value in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise self.refuse(
                "应为非空文字（数字请加引号）", "it must be a text that is not empty (quote a number)"
            )
        return self.value

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def one_of(self, *choices: str) -> str:
        if self.value not in choices:
            raise self.refuse(f"只能是：{'、'.join(choices)}", f"it must be one of: {', '.join(choices)}")
        return str(self.value)
