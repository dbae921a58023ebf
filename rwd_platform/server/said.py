"""A problem as a page says it: what the program calls an act, a thing or a fact stands there in the words of its form.

The command line and the API say names, which is what their readers type. A person at a browser never typed
`provision.read` or `crosses_border`: they see "查看数据提供" and the label of the field. Codes stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.access.permissions import FROM_ABROAD, NOT_ALLOWED
from rwd_platform.compliance.case import CASE_BAD_VALUE, CASE_MISSING_KEY
from rwd_platform.compliance.inbound import INBOUND_BAD_VALUE, INBOUND_MISSING_KEY
from rwd_platform.compliance.series import NO_PACK_ON
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import LANGUAGES, Bilingual
from rwd_platform.flows.instruments import INSTRUMENT_MALFORMED
from rwd_platform.server import acts, papers, rules_view, transfer_form

Words = Mapping[str, Bilingual]

_FIELDS: Words = {
    "kind": Bilingual("文件类型", "Kind"),
    "exporter": Bilingual("提供方", "Exporter"),
    "number": Bilingual("文号或编号", "Number"),
    "effective_from": Bilingual("生效日", "Takes effect on"),
    "valid_until": Bilingual("有效期至", "Valid until"),
    "filed_on": Bilingual("备案日期", "Filed on"),
    "evidence_sha256": Bilingual("原件的 SHA-256", "SHA-256 of the original"),
    "note": Bilingual("备注", "Note"),
    "reason": Bilingual("原因", "Reason"),
    **{f"scope.{name}": words for name, words in papers.DIMENSIONS.items()},
}
_FACTS: Words = {one.key: one.ask for one in transfer_form.QUESTIONS}
_IMPORT: Words = {one.key: one.ask for one in transfer_form.INBOUND_QUESTIONS}
# Which placeholder of which problem holds a name of ours, and the names' words.
_NAMED: Mapping[str, tuple[str, Words]] = {
    NOT_ALLOWED.code: ("action", acts.ASKED),
    FROM_ABROAD.code: ("action", acts.ASKED),
    CASE_MISSING_KEY.code: ("key", _FACTS),
    CASE_BAD_VALUE.code: ("key", _FACTS),
    INBOUND_MISSING_KEY.code: ("key", _IMPORT),
    INBOUND_BAD_VALUE.code: ("key", _IMPORT),
    INSTRUMENT_MALFORMED.code: ("field", _FIELDS),
    NO_PACK_ON.code: ("family", rules_view.FAMILIES),
}
_QUOTED = frozenset({"key", "field", "family"})
# What to do next, where the problem's own words are about a command or a file of facts.
_NEXT: Words = {
    CASE_MISSING_KEY.code: Bilingual(
        "请回答这一项；能选“尚不清楚”的可以选，不要留空。",
        "Answer it; where “Not known” is offered you may choose that, but leave nothing open.",
    ),
    INBOUND_MISSING_KEY.code: Bilingual(
        "请回答这一项；来源地不明的选“尚不清楚”，不要留空。",
        "Answer it; for an origin that nobody knows choose “Not known”, and leave nothing open.",
    ),
    NO_PACK_ON.code: Bilingual(
        "请核对日期；哪些规则何时适用，见“规则”页。",
        "Check the day; the page of the rules says which apply when.",
    ),
}


@dataclass(frozen=True)
class Said:
    """What a page shows of a problem."""

    code: str
    zh: str
    en: str
    next_zh: str
    next_en: str


def said(found: Any) -> Any:
    """The problem in words of its pages; one that names nothing of ours, or was stored as texts, as it is."""
    if not isinstance(found, PlatformError):
        return found
    if found.code not in _NAMED:
        return found
    texts = {language: _text(found, language) for language in LANGUAGES}
    following = _NEXT.get(found.code, Bilingual(found.next_zh, found.next_en))
    return Said(found.code, texts["zh"], texts["en"], following.zh, following.en)


def _text(found: PlatformError, language: str) -> str:
    place, words = _NAMED[found.code]
    name = str(found.details[place])
    word: str = getattr(words[name], language) if name in words else name
    if place in _QUOTED:
        word = f"“{word}”"
    details = {**found.details, place: word}
    if found.code == INSTRUMENT_MALFORMED.code and name == "scope.purposes":
        details |= {"allowed": "choose from the list", "allowed_zh": "请从列出的目的中选择"}
    text = str(getattr(found.problem, language)).format(**details)
    return text.replace(" “", "“").replace("” ", "”") if language == "zh" else text
