"""One policy out of its file and the files it builds on, the base first.

A derived policy holds only its differences. What it says at a path replaces what the base said

    at it       base `birthDate = "date:month"`,     derived `birthDate = "date:year"`
    below it    base `"address.city" = "keep"`,      derived `address = "drop"`
    above it    base `address = "drop"`,             derived `"address.state" = "generalise:region:province"`
                (what else was under `address` is then not named, so it is dropped and counted)

A shape of the base is changed in the same way, wherever the base used it. A section with paths revives a
type that the base drops; `resource = "drop"` drops one. In `[systems]` and the extensions, an address of
the base is taken out with `"drop"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from deidentify.actions import Rule, read_rule, refusal
from deidentify.generalise import hierarchy_named
from rwd_platform.core.errors import PlatformError

WHOLE_RESOURCE = "resource"
GEOGRAPHY = ("none", "country", "province", "prefecture", "county")  # coarse to fine
TEXTS = ("name", "version", "zh", "en")
_OPTIONS = ("extends", "as_of", "internal", "geography")
_NO_TYPES = ("shape", "extensions", "modifier_extensions", "systems")
_SHAPE = "shape:"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ELEMENT = re.compile(r"[a-z][A-Za-z0-9]{0,63}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_URL = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]{1,500}")
# http://his.example.org:8080/codes/: the part between `//` and the next `/`.
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/.*")
# Extensions go by URL; contained resources are never kept; what modifies a meaning is kept or quarantines.
_NEVER_NAMED = frozenset({"extension", "modifierExtension", "contained", "implicitRules"})


def has_host(url: str) -> bool:
    """Whether an address names a host, below which its systems are: `http://` alone stands for every text."""
    return bool(_HOST.fullmatch(url))


@dataclass(frozen=True, eq=False)
class Layer:
    """One policy file as read: `file_name` is what refusals call it."""

    file_name: str
    document: Mapping[str, Any]

    def no(self, where: str, why: str, why_zh: str) -> PlatformError:
        return refusal(self.file_name, where, why, why_zh)

    def text(self, key: str) -> str:
        value = self.document.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.no(key, "a text is needed here", "此处需要文字")
        return value

    def table(self, key: str) -> Mapping[str, Any]:
        table = self.document.get(key, {})
        if not isinstance(table, dict):
            raise self.no(f"[{key}]", "this must be a section", "这里应为一节")
        return table

    def sections(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The sections of resource types."""
        for section, table in self.document.items():
            if section in (*TEXTS, *_OPTIONS, *_NO_TYPES):
                continue
            if not _TYPE.fullmatch(section) or not isinstance(table, dict):
                raise self.no(f"[{section}]", "this is no resource type", "这不是资源类型")
            yield section, table


def overlaid(base: Mapping[str, Rule], own: Mapping[str, Rule]) -> dict[str, Rule]:
    """The base's paths but those at, above or below one of the derived policy's; then the latter's."""
    above_own = {path[: match.start()] for path in own for match in re.finditer(r"\.|$", path)}
    kept = {
        path: rule
        for path, rule in base.items()
        if path not in above_own and not any(step in own for step in _above(path))
    }
    return {**kept, **own}


def _above(path: str) -> Iterable[str]:
    return (path[: match.start()] for match in re.finditer(r"\.", path))


class Stack:
    """The layers of one policy, read together. Every refusal names file, section and path."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self._layers = layers
        self._own = layers[-1]
        self._shapes: dict[str, dict[str, Rule]] = {}
        self._used: set[str] = set()

    def texts(self) -> dict[str, str]:
        return {key: self._own.text(key) for key in TEXTS}

    def internal(self) -> bool:
        """Never inherited: who derives a policy for others to use must say so again."""
        value = self._own.document.get("internal", False)
        if not isinstance(value, bool):
            raise self._own.no("internal", "only true or false is known here", "此处只能用 true 或 false")
        return value

    def as_of(self) -> str:
        """The day at which ages are told, `2026-01-01`; nothing where no layer says one."""
        layer, value = self._last("as_of", "")
        text = value.isoformat() if type(value) is date else value
        try:
            valid = text == "" or date.fromisoformat(text).isoformat() == text
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise layer.no("as_of", 'a day such as "2026-01-01" is needed', '此处需要日期，如 "2026-01-01"')
        return str(text)

    def geography(self) -> str:
        """The finest geography that the policy is meant to let through."""
        layer, value = self._last("geography", GEOGRAPHY[0])
        if value not in GEOGRAPHY:
            known = ", ".join(GEOGRAPHY)
            raise layer.no("geography", f"only {known} are known here", f"此处只能用 {known}")
        return str(value)

    def addresses(self, key: str, actions: tuple[str, ...] = ("keep",)) -> dict[str, str]:
        """`[systems]` or a section of extensions: addresses and what is done."""
        found: dict[str, str] = {}
        for layer in self._layers:
            for url, action in layer.table(key).items():
                where = f"[{key}] {url}"
                if not _URL.fullmatch(url):
                    raise layer.no(where, "this is no URL", "这不是 URL")
                if action == "drop" and url in found:
                    del found[url]
                elif action in actions:
                    found[url] = action
                elif key == "systems" and str(action).startswith("generalise:"):
                    found[url] = str(self._generalised_system(layer, where, url, action))
                else:
                    known = " or ".join(f"`{one}`" for one in actions)
                    raise layer.no(where, f"only {known} is known here", f"此处只能用 {'或 '.join(actions)}")
        return found

    def types(self) -> tuple[dict[str, dict[str, Rule]], frozenset[str]]:
        """Rules by resource type, and the types that are left behind whole."""
        self._read_shapes()
        rules: dict[str, dict[str, Rule]] = {}
        dropped: set[str] = set()
        for layer in self._layers:
            for section, table in layer.sections():
                if WHOLE_RESOURCE in table:
                    _check_whole(layer, section, table)
                    dropped.add(section)
                    rules.pop(section, None)
                else:
                    dropped.discard(section)
                    own = self._paths(layer, section, table)
                    rules[section] = overlaid(rules.get(section, {}), own)
        if not rules:
            raise self._own.no("[...]", "no resource type has a rule", "没有任何资源类型的规则")
        return rules, frozenset(dropped)

    def unused_shapes(self) -> tuple[str, ...]:
        """Shapes that no section and no used shape mentions; known after `types`."""
        return tuple(sorted(self._shapes.keys() - self._used))

    def _last(self, key: str, default: str) -> tuple[Layer, Any]:
        stated = [(layer, layer.document[key]) for layer in self._layers if key in layer.document]
        return stated[-1] if stated else (self._own, default)

    def _generalised_system(self, layer: Layer, where: str, url: str, action: str) -> Rule:
        rule = read_rule(layer.file_name, where, action)
        name = rule.argument.partition(":")[0]
        if rule.action != "generalise" or url not in hierarchy_named(name).systems:
            raise layer.no(
                where, f"the hierarchy {name} does not know this system", f"层级 {name} 不适用于该代码系统"
            )
        return rule

    def _read_shapes(self) -> None:
        """In the order in which they were first described; a shape may use those described before it."""
        names = dict.fromkeys(name for layer in self._layers for name in layer.table("shape"))
        for name in names:
            paths: dict[str, Rule] = {}
            for layer in self._layers:
                if name not in layer.table("shape"):
                    continue
                table = layer.table("shape")[name]
                if not _NAME.fullmatch(name) or not isinstance(table, dict):
                    raise layer.no(f"[shape.{name}]", "this is no shape", "这不是结构定义")
                paths = overlaid(paths, self._paths(layer, f"shape.{name}", table))
            self._shapes[name] = paths

    def _paths(self, layer: Layer, section: str, table: Mapping[str, Any]) -> dict[str, Rule]:
        paths: dict[str, Rule] = {}
        for path, text in _flat(table):
            where = f"[{section}] {path}"
            names = path.split(".")
            if not all(_ELEMENT.fullmatch(name) for name in names):
                raise layer.no(where, "this is no path of element names", "这不是由元素名组成的路径")
            if _NEVER_NAMED.intersection(names):
                raise layer.no(where, "this element has its own rules", "该元素另有专门规则，不能写在这里")
            for full, rule in self._expanded(layer, where, path, text):
                if full in paths:
                    raise layer.no(where, "this path is named twice", "该路径重复出现")
                paths[full] = rule
        if not paths:
            raise layer.no(f"[{section}]", "this section is empty", "该节为空")
        for path in paths:
            if any(step in paths for step in _above(path)):
                raise layer.no(f"[{section}] {path}", "a part of it has its own action", "其上级路径另有动作")
        return paths

    def _expanded(self, layer: Layer, where: str, path: str, text: Any) -> list[tuple[str, Rule]]:
        if isinstance(text, str) and text.startswith(_SHAPE):
            name = text.removeprefix(_SHAPE)
            if name not in self._shapes:
                raise layer.no(where, f"no shape above is called {text}", f"前文没有名为 {text} 的结构")
            self._used.add(name)
            return [(f"{path}.{below}", rule) for below, rule in self._shapes[name].items()]
        return [(path, read_rule(layer.file_name, where, text))]


def _check_whole(layer: Layer, section: str, table: Mapping[str, Any]) -> None:
    if table != {WHOLE_RESOURCE: "drop"}:
        raise layer.no(
            f"[{section}] {WHOLE_RESOURCE}",
            "it can only be `drop`, and then stands alone",
            "只能为 drop，且该节不得有其他内容",
        )


def _flat(table: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Paths and actions: `code.text = ...` unquoted is a nested table in TOML and means the same path."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        path = f"{above}.{key}" if above else key
        found.extend(_flat(value, path) if isinstance(value, dict) else [(path, value)])
    return found
