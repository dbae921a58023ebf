"""The document's words and the shapes they stand in: a text, a table, labelled facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.reader import shared
from studies.evidence.harper.facts import HarperFacts
from studies.evidence.report.blocks import Facts, Heading, Paragraph, Table, Text, Tone, words
from studies.yaml_reader import read_yaml

_TEXTS = Path(__file__).parent / "texts.yaml"
Cell = Bilingual | str


@cache
def texts() -> Mapping[str, Bilingual]:
    return {key: node.bilingual() for key, node in read_yaml(_TEXTS.read_text(encoding="utf-8")).pairs()}


def say(key: str, **facts: Cell) -> Bilingual:
    """A text with its facts filled in; a fact that is no pair is the same in both languages."""
    text = texts()[key]
    pairs = {
        name: fact if isinstance(fact, Bilingual) else Bilingual(fact, fact) for name, fact in facts.items()
    }
    if not pairs:
        return text
    zh, en = ({name: fact.in_language(language) for name, fact in pairs.items()} for language in ("zh", "en"))
    return Bilingual(text.zh.format_map(zh), text.en.format_map(en))


def spoken(cell: Cell) -> Text:
    return words(cell if isinstance(cell, Bilingual) else Bilingual(cell, cell))


def heading(key: str, level: int = 1) -> Heading:
    return Heading(words(say(key)), level)


def paragraph(text: Bilingual, tone: Tone = "plain") -> Paragraph:
    return Paragraph(words(text), tone)


def labelled(rows: Iterable[tuple[str, Cell]]) -> Facts:
    """Labels by their keys, and what is said of each."""
    return Facts(tuple((words(say(key)), spoken(cell)) for key, cell in rows))


def table(key: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], *notes: Bilingual) -> Table:
    """A table of words; its caption is the text `<key>.caption`."""
    return Table(
        f"harper_{key}",
        words(say(f"{key}.caption")),
        tuple(words(say(head)) for head in heads),
        tuple(tuple(spoken(cell) for cell in row) for row in rows),
        tuple("left" for _ in heads),
        tuple(words(note) for note in notes),
    )


def listed(parts: Iterable[Bilingual | str]) -> Bilingual:
    """A list in a cell; nothing in it is a dash."""
    pairs = [one if isinstance(one, Bilingual) else Bilingual(one, one) for one in parts]
    if not pairs:
        return say("unlisted")
    return Bilingual("；".join(one.zh for one in pairs), "; ".join(one.en for one in pairs))


def stated(facts: HarperFacts, id: str) -> Bilingual:
    """What somebody stated, or that nobody did, with who should and what."""
    said = facts.statements.get(id)
    if said is not None and said.zh.strip():
        return said
    action = shared().statements[id].action
    return say("not_stated", who=action.who, next=_uncapitalised(action.next))


def _uncapitalised(text: Bilingual) -> Bilingual:
    return Bilingual(text.zh, text.en[:1].lower() + text.en[1:])
