"""What people write for a dossier, because no computation knows it: read from their file, held to what is asked.

A statement is in Chinese, with English beside it where it was given; a choice from a list is its id in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from unicodedata import name

from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual, is_shown
from studies.evidence.checklists.reader import checklist, every_checklist, shared
from studies.evidence.profiles.dossier import WHO
from studies.evidence.profiles.profile import Profile, Statement, Who, profiles
from studies.yaml_reader import PROTOCOL_REFUSED, Node, read_yaml

FORMAT_VERSION = 1
STATEMENTS_JSON = "data/02_governance/statements.json"
LONGEST = 8000  # characters, where no profile says another number
SHORTEST_REASON = 10
_WHY_NOT = Bilingual("写明证据包为何没有这一项", "Say why the package has no answer to this item")

_JOINER = "\u200d"
_ID = re.compile(r"(?!.*[0-9]{5})[A-Za-z0-9_.-]{1,60}")  # no number of a person is an id

Statements = Mapping[str, Bilingual]

UNFIT = Problem(
    code="evidence.statement_unfit",
    zh="“{statement}”的内容不能使用：{allowed}。",
    en="What was written for {statement} cannot be used: {allowed_en}.",
    next_zh="请修改后重新提交；此前提交的内容均未改动。",
    next_en="Mend it and send it again; what was sent before is unchanged.",
    http=422,
)
FILE_REFUSED = Problem(
    code="evidence.statements_file",
    zh="说明文件有误，{place_zh}：{zh}。",
    en="The file of statements is not right, {place_en}: {en}.",
    next_zh="请修改该处后重新提交；写法见 docs/reference/commands.md 的 `rwd evidence statements`，"
    "空白文件由 `rwd evidence statements STUDY --blank` 给出。",
    next_en="Mend that place and send it again. `rwd evidence statements` in docs/reference/commands.md explains the "
    "file; `rwd evidence statements STUDY --blank` prints an empty one.",
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
    who, next   -- who is to write it, and what
    """

    id: str
    asks: Bilingual
    least: int
    most: int
    choices: Mapping[str, Bilingual] | None
    who: Bilingual
    next: Bilingual

    @property
    def lengths(self) -> Bilingual:
        """How much is to be written, of a text."""
        if self.least <= 1:
            return Bilingual(f"至多 {self.most} 个字符", f"at most {self.most} characters")
        return Bilingual(f"{self.least} 至 {self.most} 个字符", f"{self.least} to {self.most} characters")


@cache
def asked() -> Mapping[str, Asked]:
    """All that any profile or checklist asks, by id: the strictest lengths where several ask the same.

    `<checklist>.<item>` is the reason why a package has no answer to that item, `part.<part>` why it has no such part.
    """
    found: dict[str, Asked] = {
        id: Asked(id, one.label, 1, LONGEST, None, one.action.who, one.action.next)
        for id, one in shared().statements.items()
    }
    for profile in profiles().values():
        parts = {part.statement: part for part in profile.parts}
        for one in profile.statements:
            found[one.id] = _with(found.get(one.id), one, parts[one.id].who)
        for part in profile.parts:
            if part.files:
                who = WHO[part.who.actor]
                found[f"part.{part.id}"] = Asked(
                    f"part.{part.id}", part.title, SHORTEST_REASON, LONGEST, None, who, _WHY_NOT
                )
    for each in every_checklist():
        for item in each.items:
            id = f"{each.id}.{item.id}"
            found[id] = Asked(id, item.asks, SHORTEST_REASON, LONGEST, None, WHO["researcher"], _WHY_NOT)
    return found


def _with(known: Asked | None, one: Statement, who: Who) -> Asked:
    if known is None:
        least, most = max(one.least, 1), one.most or LONGEST
        return Asked(one.id, one.asks, least, most, one.choices, WHO[who.actor], who.next)
    least, most = max(known.least, one.least), min(known.most, one.most or LONGEST)
    return replace(known, asks=_either(known.asks, one.asks), least=least, most=most, choices=one.choices)


def _either(known: Bilingual, more: Bilingual) -> Bilingual:
    """What is asked under one id in two ways; `asked_by` says it in one reader's."""
    if more.zh in known.zh.split(" / "):
        return known
    return Bilingual(f"{known.zh} / {more.zh}", f"{known.en} / {more.en}")


def asked_by(profile: Profile) -> Mapping[str, Asked]:
    """As `asked`, in this profile's own words: what several profiles call by one id, each asks for its own reader."""
    parts = {part.statement: part for part in profile.parts if part.statement}
    own = {
        one.id: replace(
            asked()[one.id], asks=one.asks, who=WHO[parts[one.id].who.actor], next=parts[one.id].who.next
        )
        for one in profile.statements
    }
    titles = {f"part.{part.id}": part for part in profile.parts if part.files}
    own |= {id: replace(asked()[id], asks=part.title, who=WHO[part.who.actor]) for id, part in titles.items()}
    return {**asked(), **own}


def asked_for(profile: Profile) -> tuple[str, ...]:
    """The statements that a profile and its checklists may ask for, in the order in which their reader meets them."""
    listed = [part.statement for part in profile.parts if part.statement]
    for id in profile.checklists:
        for item in checklist(id).items:
            listed += [one.id for one in item.needs]
            listed += [item.otherwise.id] if item.otherwise else []
    return tuple(dict.fromkeys(listed))


def of_profile(profile: Profile, said: Statements) -> dict[str, Bilingual]:
    """Of all that was said about a study what concerns a profile: its reader gets no words meant for another."""
    wanted = {*asked_for(profile), *(f"part.{part.id}" for part in profile.parts)}
    reasons = tuple(f"{id}." for id in profile.checklists)
    return {id: one for id, one in said.items() if id in asked() and (id in wanted or id.startswith(reasons))}


def read_statements(text: str) -> dict[str, Bilingual]:
    """From a YAML file `statements: {id: {zh, en} | <choice>}`; `en` may be left out, and so may all of it.

    Raises `evidence.statements_file` with the place for what is no such file, `evidence.statement_unknown` and
    `evidence.statement_unfit` for what is in it.
    """
    try:
        written = _written(text)
    except PlatformError as error:
        if error.problem is not PROTOCOL_REFUSED:
            raise
        raise FILE_REFUSED.error(**error.details) from None
    return check_all(written)


def _written(text: str) -> dict[str, Bilingual]:
    root = read_yaml(text).keys(("format_version", "statements"))
    if root.at("format_version").integer() != FORMAT_VERSION:
        raise root.at("format_version").wrong(f"应为 {FORMAT_VERSION}", f"must be {FORMAT_VERSION}")
    return {id: _said(node, id) for id, node in root.at("statements").pairs() if not _is_blank(node.value)}


def _is_blank(value: object) -> bool:
    """A line of the file that nobody has filled in yet."""
    texts = value.values() if isinstance(value, Mapping) else [value]
    return all(one is None or (isinstance(one, str) and not one.strip()) for one in texts)


def blank_file(profile: Profile, said: Statements) -> str:
    """The file that `read_statements` takes, with all that a profile may ask and what was said as it stands."""
    lines = [
        f"# {profile.title.zh} · {profile.title.en}",
        "# 留空的项目不提交；en 可留空。What is left blank is not sent; en may be left blank.",
        f"format_version: {FORMAT_VERSION}",
        "statements:",
    ]
    asks = asked_by(profile)
    for id in dict.fromkeys((*asked_for(profile), *sorted(of_profile(profile, said)))):
        one, now = asks[id], said.get(id)
        told = (_both(one.asks), f"{_both(one.who)}: {_both(one.next)}")
        lines += [f"  # {_line(text)}" for text in (*told, *([] if one.choices else [_both(one.lengths)]))]
        if one.choices is not None:
            lines += [f"  # {key}: {_line(_both(words))}" for key, words in one.choices.items()]
            lines.append(f"  {id}: {json.dumps(now.zh if now else '')}")
            continue
        texts = (now.zh if now else "", now.en if now and now.en != now.zh else "")
        written = (json.dumps(text, ensure_ascii=False) for text in texts)
        lines += [
            f"  {id}:",
            *(f"    {key}: {text}" for key, text in zip(("zh", "en"), written, strict=True)),
        ]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _both(text: Bilingual) -> str:
    return f"{text.zh} · {text.en}"


def _said(node: Node, id: str) -> Bilingual:
    if id in asked() and asked()[id].choices is not None:
        chosen = node.text()
        return Bilingual(chosen, chosen)
    node.keys(("zh",), ("en",))
    zh = node.at("zh").text()
    has_english = node.has("en") and not _is_blank(node.at("en").value)
    return Bilingual(zh, node.at("en").text() if has_english else zh)


def check_all(said: Statements) -> dict[str, Bilingual]:
    """The same, each held to what is asked; ends stripped. Raises as `read_statements` does."""
    return {id: check(id, one) for id, one in said.items()}


def check(id: str, said: Bilingual) -> Bilingual:
    if id not in asked():
        raise UNKNOWN.error(statement=id if _ID.fullmatch(id) else "?")
    wanted = asked()[id]
    if wanted.choices is not None:
        if said.zh not in wanted.choices or said.en != said.zh:
            zh, en = (
                " | ".join(f"{key} ({words[place]})" for key, words in wanted.choices.items())
                for place in (0, 1)
            )
            raise UNFIT.error(statement=id, allowed=f"应为 {zh}", allowed_en=f"it must be one of {en}")
        return said
    zh, en = (one.replace("\r\n", "\n").strip() for one in said)  # a form in a browser sends both signs
    stripped = Bilingual(zh, en or zh)
    for language, one in zip(_LANGUAGES, stripped, strict=True):
        if not wanted.least <= len(one) <= wanted.most:
            raise _unfit(
                id,
                f"{language.zh}有 {len(one)} 个字符，要求：{wanted.lengths.zh}",
                f"the {language.en} has {len(one)} characters, and there have to be {wanted.lengths.en}",
            )
        hidden = next((sign for sign in one if not is_shown(sign)), "")
        if hidden:
            what = _sign(hidden)
            raise _unfit(
                id,
                f"{language.zh}含有 {what.zh}，不能有制表符等控制字符或不可见的字符",
                f"the {language.en} holds {what.en}, and tabs, signs that are not seen and other control signs cannot "
                "stand in it",
            )
    return stripped


_LANGUAGES = (Bilingual("中文", "Chinese text"), Bilingual("英文", "English text"))


def _unfit(id: str, zh: str, en: str) -> PlatformError:
    return UNFIT.error(statement=id, allowed=zh, allowed_en=en)


def _sign(sign: str) -> Bilingual:
    """A sign that nobody sees, by its number, and by its name where it has one."""
    number = f"U+{ord(sign):04X}"
    if sign == _JOINER:
        return Bilingual(
            f"{number}（连接表情符号的不可见字符）",
            f"{number} (the sign that joins emoji, which is not seen)",
        )
    called = name(sign, "").lower()
    return Bilingual(f"{number}（{called}）", f"{number} ({called})") if called else Bilingual(number, number)


def document(profile: Profile, said: Statements) -> dict[str, object]:
    """statements.json: what was asked, in the profile's words, and what was said of it, in the order of the ids."""
    asks, told = asked_by(profile), of_profile(profile, said)
    return {
        "format_version": FORMAT_VERSION,
        "statements": {
            id: {"asks": asks[id].asks, "said": words_of(id, one)} for id, one in sorted(told.items())
        },
    }


def words_of(id: str, said: Bilingual) -> Bilingual:
    """A choice in words; a text as it is."""
    choices = asked()[id].choices
    return choices[said.zh] if choices is not None else said
