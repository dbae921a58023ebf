"""What people write for a dossier, because no computation knows it: read from their file, held to what is asked.

A statement is in Chinese, with English beside it where it was given; a choice from a list is its id in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.reader import every_checklist, shared
from studies.evidence.profiles.profile import Statement, profiles
from studies.yaml_reader import Node, read_yaml

FORMAT_VERSION = 1
STATEMENTS_JSON = "data/02_governance/statements.json"
LONGEST = 8000  # characters, where no profile says another number
SHORTEST_REASON = 10

_ID = re.compile(r"[A-Za-z0-9_.-]{1,60}")

Statements = Mapping[str, Bilingual]

UNFIT = Problem(
    code="evidence.statement_unfit",
    zh="“{statement}”的内容不能使用：{allowed}。",
    en="What was written for {statement} cannot be used: {allowed_en}.",
    next_zh="请修改后重新提交；此前提交的内容均未改动。",
    next_en="Mend it and send it again; what was sent before is unchanged.",
    http=422,
)
UNKNOWN = Problem(
    code="evidence.statement_unknown",
    zh="没有名为“{statement}”的说明项。",
    en="Nothing named {statement} is asked for.",
    next_zh="可填写的项目见 `rwd evidence missing` 或研究页面的“证据包”一栏。",
    next_en="What is asked for is listed by `rwd evidence missing` and on the study's page of evidence.",
    http=422,
)


@dataclass(frozen=True)
class Asked:
    """One thing that is asked of people.

    least, most -- characters
    choices     -- id -> words; None: free text
    by          -- the profiles and checklists that ask it
    """

    id: str
    asks: Bilingual
    least: int
    most: int
    choices: Mapping[str, Bilingual] | None
    by: tuple[str, ...]


@cache
def asked() -> Mapping[str, Asked]:
    """All that any profile or checklist asks, by id: the strictest lengths where several ask the same.

    `<checklist>.<item>` is the reason why a package has no answer to that item.
    """
    found: dict[str, Asked] = {
        id: Asked(id, one.label, 1, LONGEST, None, ("checklists",)) for id, one in shared().statements.items()
    }
    for profile in profiles().values():
        for one in profile.statements:
            found[one.id] = _with(found.get(one.id), one, profile.id)
    for checklist in every_checklist():
        for item in checklist.items:
            id = f"{checklist.id}.{item.id}"
            found[id] = Asked(id, item.asks, SHORTEST_REASON, LONGEST, None, (checklist.id,))
    return found


def _with(known: Asked | None, one: Statement, profile: str) -> Asked:
    if known is None:
        return Asked(one.id, one.asks, max(one.least, 1), one.most or LONGEST, one.choices, (profile,))
    least, most = max(known.least, one.least), min(known.most, one.most or LONGEST)
    return Asked(one.id, known.asks, least, most, one.choices, (*known.by, profile))


def read_statements(text: str) -> dict[str, Bilingual]:
    """From a YAML file `statements: {id: {zh, en} | <choice>}`; `en` may be left out.

    Raises `protocol.refused` with the place for what is no such file, `evidence.statement_unknown` and
    `evidence.statement_unfit` for what is in it.
    """
    root = read_yaml(text).keys(("format_version", "statements"))
    if root.at("format_version").integer() != FORMAT_VERSION:
        raise root.at("format_version").wrong(f"应为 {FORMAT_VERSION}", f"must be {FORMAT_VERSION}")
    return check_all({id: _said(node, id) for id, node in root.at("statements").pairs()})


def _said(node: Node, id: str) -> Bilingual:
    if id in asked() and asked()[id].choices is not None:
        chosen = node.word()
        return Bilingual(chosen, chosen)
    node.keys(("zh",), ("en",))
    zh = node.at("zh").text()
    return Bilingual(zh, node.at("en").text() if node.has("en") else zh)


def check_all(said: Statements) -> dict[str, Bilingual]:
    """The same, each held to what is asked; ends stripped. Raises as `read_statements` does."""
    return {id: check(id, one) for id, one in said.items()}


def check(id: str, said: Bilingual) -> Bilingual:
    if id not in asked():
        raise UNKNOWN.error(statement=id if _ID.fullmatch(id) else "?")
    wanted = asked()[id]
    if wanted.choices is not None:
        if said.zh not in wanted.choices or said.en != said.zh:
            listed = " | ".join(wanted.choices)
            raise UNFIT.error(
                statement=id, allowed=f"应为 {listed}", allowed_en=f"it must be one of {listed}"
            )
        return said
    stripped = Bilingual(said.zh.strip(), said.en.strip() or said.zh.strip())
    for one in stripped:
        if not wanted.least <= len(one) <= wanted.most or not _is_text(one):
            raise UNFIT.error(
                statement=id,
                allowed=f"应为 {wanted.least} 至 {wanted.most} 个字符的文字",
                allowed_en=f"it must be a text of {wanted.least} to {wanted.most} characters",
            )
    return stripped


def _is_text(said: str) -> bool:
    """Lines of what can be printed."""
    return all(one.isprintable() or one == "\n" for one in said)


def document(said: Statements) -> dict[str, object]:
    """statements.json: what was asked and what was said, in the order of the ids."""
    return {
        "format_version": FORMAT_VERSION,
        "statements": {
            id: {"asks": asked()[id].asks, "said": words_of(id, one)} for id, one in sorted(said.items())
        },
    }


def words_of(id: str, said: Bilingual) -> Bilingual:
    """A choice in words; a text as it is."""
    choices = asked()[id].choices
    return choices[said.zh] if choices is not None else said
