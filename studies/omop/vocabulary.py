"""Concepts of source codes, from the vocabulary files that a site has of its own (they may not be passed on).

A folder as Athena gives it: CONCEPT.csv, CONCEPT_RELATIONSHIP.csv and VOCABULARY.csv, tab between the columns. Only
the rows that an export asks for are read into memory. A code that leads to no single standard concept is never a
silent 0: the answer says why (f2o-063).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rwd_platform.core.errors import Problem

VOCABULARY_UNREADABLE = Problem(
    code="omop.vocabulary_unreadable",
    zh="无法读取词汇表文件 {file}。",
    en="The vocabulary file {file} cannot be read.",
    next_zh="请给出从 Athena 下载并解压的文件夹，其中须有 CONCEPT.csv、CONCEPT_RELATIONSHIP.csv 和"
    " VOCABULARY.csv，列名与下载时一致。",
    next_en="Give the folder as unpacked from Athena, with CONCEPT.csv, CONCEPT_RELATIONSHIP.csv and VOCABULARY.csv,"
    " their columns named as they came.",
)
NO_VERSION = "none"

Pair = tuple[str, str]
"""vocabulary_id, concept_code"""


@dataclass(frozen=True)
class Concept:
    """What a code leads to. `why` says why there is no standard concept, "" where there is one."""

    concept_id: int = 0
    source_concept_id: int = 0
    domain: str = ""
    why: str = ""


class Vocabulary(Protocol):
    @property
    def version(self) -> str:
        """The release, as its own files name it; `none` where there is no vocabulary."""
        ...

    def find(self, wanted: Iterable[Pair]) -> Mapping[Pair, Concept]:
        """An answer for every pair."""
        ...


@dataclass(frozen=True)
class NoVocabulary:
    """The site has given none: every code stays a source value."""

    version: str = NO_VERSION

    def find(self, wanted: Iterable[Pair]) -> Mapping[Pair, Concept]:
        return dict.fromkeys(wanted, Concept(why="no_vocabulary"))


@dataclass(frozen=True)
class AthenaVocabulary:
    folder: Path
    version: str

    def find(self, wanted: Iterable[Pair]) -> Mapping[Pair, Concept]:
        """Raises `omop.vocabulary_unreadable`."""
        pairs = sorted(set(wanted))
        answers = {pair: Concept(why="code_unknown") for pair in pairs}
        if not pairs:
            return answers
        by_pair: dict[Pair, list[tuple[Any, ...]]] = {}
        for vocabulary, code, *found in _query(self.folder, _FIND, pairs):
            by_pair.setdefault((vocabulary, code), []).append(tuple(found))
        return answers | {pair: _one(rows) for pair, rows in by_pair.items()}


def load_vocabulary(folder: Path) -> AthenaVocabulary:
    """The vocabulary in a folder. Raises `omop.vocabulary_unreadable`."""
    for name in ("CONCEPT.csv", "CONCEPT_RELATIONSHIP.csv", "VOCABULARY.csv"):
        if not (folder / name).is_file():
            raise VOCABULARY_UNREADABLE.error(file=name)
    rows = _query(folder, _VERSION, [])
    if not rows or not rows[0][0]:
        raise VOCABULARY_UNREADABLE.error(file="VOCABULARY.csv")
    return AthenaVocabulary(folder, str(rows[0][0]))


def _one(rows: list[tuple[Any, ...]]) -> Concept:
    """The concept of one code, of its own row and of every standard concept that it maps to."""
    source = min(row[0] for row in rows)
    targets = {(row[1], row[2]) for row in rows if row[1] is not None}
    if len(targets) == 1:
        ((concept, domain),) = targets
        return Concept(concept, source, domain or "")
    return Concept(0, source, "", "several_standard" if targets else "no_standard")


_VERSION = "select vocabulary_version from VOCABULARY where vocabulary_id = 'None'"
# A standard concept stands for itself; every other one for what it maps to. Invalid concepts stand for nothing.
_FIND = """
with own as (
    select concept.* from CONCEPT as concept join wanted using (vocabulary_id, concept_code)
), standard as (
    select concept_id as of, concept_id, domain_id from own
    where standard_concept = 'S' and coalesce(invalid_reason, '') = ''
    union
    select own.concept_id as of, target.concept_id, target.domain_id
    from own
    join CONCEPT_RELATIONSHIP as link on link.concept_id_1 = own.concept_id
    join CONCEPT as target on target.concept_id = link.concept_id_2
    where coalesce(own.standard_concept, '') <> 'S' and link.relationship_id = 'Maps to'
      and coalesce(link.invalid_reason, '') = ''
      and target.standard_concept = 'S' and coalesce(target.invalid_reason, '') = ''
)
select own.vocabulary_id, own.concept_code, own.concept_id, standard.concept_id, standard.domain_id
from own left join standard on standard.of = own.concept_id
order by all
"""
_COLUMNS = {
    "CONCEPT": {
        "concept_id": "integer", "vocabulary_id": "varchar", "concept_code": "varchar", "domain_id": "varchar",
        "standard_concept": "varchar", "invalid_reason": "varchar",
    },
    "CONCEPT_RELATIONSHIP": {
        "concept_id_1": "integer", "concept_id_2": "integer", "relationship_id": "varchar",
        "invalid_reason": "varchar",
    },
    "VOCABULARY": {"vocabulary_id": "varchar", "vocabulary_version": "varchar"},
}  # fmt: skip


def _query(folder: Path, statement: str, pairs: list[Pair]) -> list[tuple[Any, ...]]:
    """Athena's files neither quote nor escape; a quotation mark in a name is a mark."""
    import duckdb
    import pyarrow as pa

    names = [name for name in _COLUMNS if name in statement]
    with duckdb.connect(":memory:") as connection:
        vocabularies = pa.array([vocabulary for vocabulary, _ in pairs], pa.string())
        codes = pa.array([code for _, code in pairs], pa.string())
        connection.register("wanted", pa.table({"vocabulary_id": vocabularies, "concept_code": codes}))
        try:
            for name in names:
                read = connection.read_csv(
                    str(folder / f"{name}.csv"), delimiter="\t", header=True, quotechar="", escapechar="",
                    all_varchar=True,
                )  # fmt: skip
                typed = [f"cast({column} as {kind}) as {column}" for column, kind in _COLUMNS[name].items()]
                read.project(", ".join(typed)).create_view(name)
            return connection.sql(statement).fetchall()
        except (duckdb.Error, UnicodeDecodeError):
            # DuckDB's own message repeats rows of the file.
            raise VOCABULARY_UNREADABLE.error(file=", ".join(f"{name}.csv" for name in names)) from None
