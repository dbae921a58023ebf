"""Concepts of events: one look into the vocabulary for all of them, and an account of every 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.omop.events import Judged
from studies.omop.rules import load_concepts, load_vocabularies
from studies.omop.vocabulary import Concept, Pair, Vocabulary

if TYPE_CHECKING:
    import pandas as pd

CODING = "f2o-034.coding"
Zeros = Counter[tuple[str, str, str, str]]
"""table, column of the event, code system, why -> rows"""

# Columns of an event with a code whose vocabulary is known by what they are, and those whose system a lock lacks.
_KNOWN = {"unit": "UCUM", "currency": "Currency"}
_NO_SYSTEM = ("value", "route")


def with_concepts(judged: Sequence[Judged], vocabulary: Vocabulary) -> Zeros:
    """Adds concepts to every frame, chooses one of several codings, and sends rows where the domain asks.

    Returns the rows whose concept is 0, with the reason. Raises what reading the vocabulary raises.
    """
    found = vocabulary.find({pair for one in judged for pair in _wanted(one)})
    zeros: Zeros = Counter()
    for one in judged:
        _main(one, found)
        if one.source.codings:
            _one_coding(one)
        if one.source.domains:
            _by_domain(one)
        _count(zeros, one.frame, "concept_id", one.frame["system"], one.frame["why"])
        _others(one, found, zeros)
    return zeros


def _wanted(one: Judged) -> Iterator[Pair]:
    vocabularies = load_vocabularies()
    if not one.source.concepts:
        for system, code in {*zip(one.frame["system"], one.frame["source_code"], strict=True)}:
            if code is not None and system in vocabularies:
                yield vocabularies[system], code
    for name, vocabulary in _KNOWN.items():
        if f"{name}_code" in one.frame.columns:
            for code in one.frame[f"{name}_code"].dropna().unique():
                yield vocabulary, code


def _main(one: Judged, found: Mapping[Pair, Concept]) -> None:
    frame = one.frame
    codes = list(zip(frame["system"], frame["source_code"], strict=True))
    if one.source.concepts:
        words = load_concepts()[one.source.concepts]
        answers = [_of_word(words, code) for _, code in codes]
    else:
        answers = [_of_code(system, code, found) for system, code in codes]
    frame["concept_id"] = [answer.concept_id for answer in answers]
    frame["source_concept_id"] = [answer.source_concept_id for answer in answers]
    frame["domain"] = [answer.domain for answer in answers]
    frame["why"] = [answer.why for answer in answers]


def _of_code(system: str | None, code: str | None, found: Mapping[Pair, Concept]) -> Concept:
    vocabulary = load_vocabularies().get(system or "")
    if code is None:
        return Concept(why="no_code")
    return found[vocabulary, code] if vocabulary else Concept(why="system_unknown")


def _of_word(words: Mapping[str, Any], word: str | None) -> Concept:
    if word is None:
        return Concept(why="no_code")
    return Concept(words[word]) if word in words else Concept(why="word_unknown")


def _one_coding(one: Judged) -> None:
    """Of a record's codings the one with a standard concept, of the vocabulary that stands first."""
    frame = one.frame
    ranks = {system: rank for rank, system in enumerate(load_vocabularies())}
    order = frame.assign(
        unmapped=frame["concept_id"] == 0,
        rank=[ranks.get(system, len(ranks)) for system in frame["system"]],
        code=frame["source_code"].fillna(""),
        of=frame["system"].fillna(""),
    ).sort_values(["unmapped", "rank", "of", "code"], kind="stable")
    others = order.index[order["record"].notna() & order.duplicated(["person_id", "record"])]
    one.left_out[CODING] += len(others)
    one.frame = frame.drop(index=others).reset_index(drop=True)


def _by_domain(one: Judged) -> None:
    tables = load_concepts()["domains"]
    asked = one.frame["domain"].map(tables)
    own = (one.frame["target"] == one.source.table) & asked.notna()
    one.frame["target"] = one.frame["target"].where(~own, asked)


def _others(one: Judged, found: Mapping[Pair, Concept], zeros: Zeros) -> None:
    """Units, values, comparators, routes, qualifiers: none where there is no code, 0 where it leads nowhere."""
    import pandas as pd

    frame = one.frame
    for name in (*_KNOWN, *_NO_SYSTEM, "operator", "qualifier"):
        column = f"{name}_code"
        if column not in frame.columns:
            continue
        answers = [
            None if code is None or code != code else _other(name, code, found) for code in frame[column]
        ]
        ids = [None if answer is None else answer.concept_id for answer in answers]
        frame[f"{name}_concept_id"] = pd.array(ids, dtype="Int64")
        why = pd.Series(["" if answer is None else answer.why for answer in answers], dtype=object)
        _count(zeros, frame, f"{name}_concept_id", pd.Series(_KNOWN.get(name, ""), index=frame.index), why)


def _other(name: str, code: str, found: Mapping[Pair, Concept]) -> Concept:
    if name in _KNOWN:
        return found[_KNOWN[name], code]
    if name == "operator":
        return _of_word(load_concepts()["operator"], code)
    return Concept(why="word_unknown" if name == "qualifier" else "system_unknown")


def _count(
    zeros: Zeros, frame: pd.DataFrame, column: str, systems: pd.Series[Any], whys: pd.Series[Any]
) -> None:
    for target, system, why in zip(frame["target"], systems, whys, strict=True):
        if why:
            zeros[target, column, system or "", why] += 1
