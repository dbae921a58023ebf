"""The annotated data guide, in Chinese and in English, as editable documents with reproducible bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.report import docx
from studies.evidence.report.blocks import Block, Facts, Heading, Paragraph, Report, Table, Text
from studies.evidence.report.pdf import Running
from studies.evidence.submission.adam import AdamDataset, AdamVariable
from studies.evidence.submission.catalogue import pair, same
from studies.evidence.submission.devices import COLUMNS
from studies.evidence.submission.facts import SubmissionFacts
from studies.evidence.submission.losses import Loss
from studies.evidence.submission.spelling import xml_text
from studies.evidence.submission.tiers import tier, tiers
from studies.protocol import Protocol

_READ = ("ids", "days", "home", "complete", "ended")
_FORMS = ("json_form", "xpt_form", "numbers_form", "define_form", "sealed_form")


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    import yaml

    read: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("guide.yaml").read_text(encoding="utf-8"))
    return read


def say(key: str, /, **facts: Bilingual) -> Bilingual:
    return pair(_words()[key], facts)


def _text(words: Bilingual) -> Text:
    """No document can hold a control character, whatever a protocol's title has."""
    return Text((xml_text(words.zh),), (xml_text(words.en),))


@dataclass(frozen=True)
class Guide:
    """What the guide is written from."""

    datasets: Sequence[AdamDataset]
    protocol: Protocol
    facts: SubmissionFacts
    losses: Sequence[Loss]


def data_guide(guide: Guide, language: Language) -> bytes:
    """The DOCX in one language."""
    facts = guide.facts
    foot = "footer_demo" if facts.demo else "footer"
    running = Running(
        head=say("running").in_language(language), foot=say(foot).in_language(language),
        package_short=xml_text(facts.package), author=xml_text(facts.platform.in_language(language)),
        labels={name: say(name).in_language(language) for name in ("table", "figure", "contents")},
    )  # fmt: skip
    return docx.render(guide_report(guide), language, {}, running)


def guide_report(guide: Guide) -> Report:
    """The same blocks in both languages."""
    protocol, facts = guide.protocol, guide.facts
    named = {"study": same(protocol.id), "version": same(protocol.version), "dated": same(facts.dated)}
    return Report(
        title=_text(say("title", title=protocol.title)),
        subtitle=_text(say("subtitle", lock=same(facts.lock_id), **named)),
        summary=tuple(_what(guide)),
        body=tuple(_body(guide)),
        study=protocol.id,
        version=protocol.version,
        dated=facts.dated,
    )


def _what(guide: Guide) -> Iterable[Block]:
    protocol, facts = guide.protocol, guide.facts
    yield Heading(_text(say("what_heading")))
    yield Paragraph(_text(say("what")))
    rows = {
        "fact_question": protocol.question,
        "fact_zero": say("zero_criteria", index=protocol.cohort.index_title),
        "fact_protocol": same(protocol.sha256),
        "fact_lock": same(facts.lock_id),
    }
    if facts.package:
        rows["fact_package"] = same(facts.package)
    if facts.tier:
        one = tier(facts.tier)
        rows["fact_tier"] = say("tier_said", tier=same(one.id), name=one.name, says=one.says)
    yield Facts(tuple((_text(say(key)), _text(value)) for key, value in rows.items()))


def _body(guide: Guide) -> Iterable[Block]:
    yield Heading(_text(say("read_heading")))
    for key in (*_READ, *_only_here(guide), "absent"):
        yield Paragraph(_text(say(key)))
    yield Heading(_text(say("formats_heading")))
    for key in _FORMS:
        yield Paragraph(_text(say(key)))
    yield Heading(_text(say("datasets_heading")))
    yield _datasets_table(guide.datasets)
    for dataset in guide.datasets:
        yield Heading(
            _text(Bilingual(f"{dataset.name}  {dataset.title.zh}", f"{dataset.name}  {dataset.title.en}")), 2
        )
        yield _variables_table(dataset)
    yield from _populations(guide)
    yield from _short_names(guide)
    yield from _codes(guide)
    yield from _losses(guide)
    yield Heading(_text(say("tiers_heading")))
    rows = [(same(one.id), one.name, one.says) for one in tiers().values()]
    yield _table("tiers", say("tiers_caption"), ("head_tier", "head_title", "head_what"), rows)


def _only_here(guide: Guide) -> list[str]:
    """The paragraphs that not every study needs."""
    names = {one.name for one in guide.datasets[0].variables}
    has_events = any(one.name == "ADAE" for one in guide.datasets)
    planned = any(one.method == "safety" for one in guide.protocol.analyses)
    found = ["devices"] if names.intersection(COLUMNS.values()) else []
    return [*found, *(["events"] if has_events else ["events_missing"] if planned else [])]


def _table(
    key: str,
    caption: Bilingual,
    head: Sequence[str],
    rows: Iterable[Sequence[Bilingual]],
    note: Bilingual | None = None,
) -> Table:
    return Table(
        key=key,
        caption=_text(caption),
        head=tuple(_text(say(one)) for one in head),
        rows=tuple(tuple(_text(cell) for cell in row) for row in rows),
        align=tuple("right" if one in ("head_records", "head_count") else "left" for one in head),
        notes=(_text(note),) if note else (),
    )


def _datasets_table(datasets: Sequence[AdamDataset]) -> Table:
    head = ("head_dataset", "head_label", "head_structure", "head_keys", "head_records")
    rows = [
        (same(one.name), one.title, one.structure, same(", ".join(one.keys)), same(len(one.frame)))
        for one in datasets
    ]
    return _table("datasets", say("datasets_caption"), head, rows)


def _variables_table(dataset: AdamDataset) -> Table:
    head = ("head_name", "head_label", "head_type", "head_source", "head_derivation")
    rows = [
        (
            same(one.name), one.title, _type(one), same(", ".join(one.source) or one.predecessor), _made(one),
        )
        for one in dataset.variables
    ]  # fmt: skip
    caption = say("variables_caption", dataset=same(dataset.name))
    return _table(f"variables_{dataset.name.lower()}", caption, head, rows)


def _type(one: AdamVariable) -> Bilingual:
    said = say(f"type_{one.type}")
    return say("type_coded", type=said, codes=same(one.codes.id)) if one.codes else said


def _made(one: AdamVariable) -> Bilingual:
    """In words; of what was taken over as it is, where from."""
    return one.derivation if one.derivation.zh else same(one.predecessor)


def _populations(guide: Guide) -> Iterable[Block]:
    titles = {one.id: one.title for one in guide.protocol.populations}
    flags = [
        one for one in guide.datasets[0].variables if one.long_name in titles and one.name.endswith("FL")
    ]
    yield Heading(_text(say("populations_heading")))
    rows = [(same(one.name), same(one.long_name), titles[one.long_name]) for one in flags]
    yield _table(
        "populations", say("populations_caption"), ("head_flag", "head_long_name", "head_title"), rows
    )


def _short_names(guide: Guide) -> Iterable[Block]:
    short = [one for one in guide.datasets[0].variables if one.shortened]
    yield Heading(_text(say("names_heading")))
    if not short:
        yield Paragraph(_text(say("names_none")))
        return
    rows = [(same(one.name), same(one.long_name), one.title) for one in short]
    head = ("head_name", "head_long_name", "head_title")
    yield _table("names", say("names_caption"), head, rows, say("names_note"))


def _codes(guide: Guide) -> Iterable[Block]:
    lists = {one.codes.id: one.codes for data in guide.datasets for one in data.variables if one.codes}
    rows = [
        (same(codes.id), same(code.value), code.meaning)
        for codes in lists.values()
        for code in codes.spellings()
    ]
    yield Heading(_text(say("codes_heading")))
    yield _table("codes", say("codes_caption"), ("head_codes", "head_code", "head_title"), rows)


def _losses(guide: Guide) -> Iterable[Block]:
    yield Heading(_text(say("losses_heading")))
    if not guide.losses:
        yield Paragraph(_text(say("losses_none")))
        return
    rows = [(same(one.dataset), same(one.variable), one.what, same(one.count)) for one in guide.losses]
    head = ("head_dataset", "head_name", "head_what", "head_count")
    yield _table("losses", say("losses_caption"), head, rows)
