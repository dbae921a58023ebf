"""A lock's tables as tables of OMOP CDM 5.4, with the account of every row that is not handed on.

Dates are the lock's own, so only a lock whose dates are shifted can be exported: a number of days and a month are no
dates. The model requires a year of birth and a lock holds the age at index: the year is that of the index date half a
year earlier, less the age, and is right to one year.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.errors import Exit, Problem
from studies.omop.concepts import Zeros, with_concepts
from studies.omop.events import DAY, PERSON, Judged, Tables, first_day, judge, texts
from studies.omop.report import Account, Report, Unmapped
from studies.omop.rules import load_concepts, load_fields, load_rules, load_sources, rules_sha256
from studies.omop.tables import events_of, project
from studies.omop.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SUBJECT, PERIOD = "subject", "observation_period"
BIRTH_YEAR, DIED_ONCE, NO_MAP = "rwd.birth-year", "rwd.died-once", "rwd.no-map"
_CDM_CONCEPT = 756265  # OMOP CDM Version 5.4.0
_EHR = 32817
_HALF_A_YEAR = timedelta(days=183)

DATES_NOT_DAYS = Problem(
    code="omop.dates_not_days",
    zh="该数据锁定不含日期（保存的是{kind_zh}），不能导出为 OMOP。",
    en="This lock holds no dates ({kind}), so it cannot be exported as OMOP.",
    next_zh="请在研究方案的 lock 部分写明 dates: shift，以新的项目编号登记并重新锁定，再行导出。",
    next_en="Say `dates: shift` in the protocol's lock section, register it under a new project id and lock again.",
    http=409,
    exit=Exit.REFUSED,
)
AGE_COARSE = Problem(
    code="omop.age_coarse",
    zh="该数据锁定的年龄已粗化，无法推算 OMOP 要求的出生年份。",
    en="The ages of this lock are generalised, so the year of birth that OMOP requires cannot be told.",
    next_zh="请使用年龄未粗化的数据锁定；如不能，则该研究不能以 OMOP 形式导出。",
    next_en="Export a lock whose ages are kept as whole years; if there can be none, this study has no OMOP form.",
    http=409,
    exit=Exit.REFUSED,
)
LOCK_UNFIT = Problem(
    code="omop.lock_unfit",
    zh="数据锁定的表 {table} 缺少列 {column}，不能导出为 OMOP。",
    en="Table {table} of the lock has no column {column}, so it cannot be exported as OMOP.",
    next_zh="请核验该数据锁定是否完整（`rwd verify`），或重新锁定后再导出。",
    next_en="Check that the lock is whole (`rwd verify`), or lock again and export that.",
)


@dataclass(frozen=True)
class About:
    """What cdm_source says. `made_on` is the day of the lock, YYYY-MM-DD."""

    name: str
    abbreviation: str
    holder: str
    description: str
    made_on: str


@dataclass(frozen=True)
class OmopExport:
    """Tables by name (pyarrow, every field of the model), the report, and who has which number."""

    tables: Mapping[str, pa.Table]
    report: Report
    people: Mapping[str, int]


def export(tables: Tables, about: About, vocabulary: Vocabulary, facts: Mapping[str, Any]) -> OmopExport:
    """`tables` are a lock's, and `observation_period` (subject_id, first_date, last_date); `facts` the lock's.

    Raises `omop.dates_not_days`, `omop.age_coarse`, `omop.lock_unfit` and what reading the vocabulary raises.
    """
    _check(tables, facts)
    tables, coarse = _without_coarse(tables, facts.get("generalised", {}))
    persons, of_persons = _persons(tables[SUBJECT])
    people = dict(zip(persons[SUBJECT_ID], persons["person_id"], strict=True))
    periods, of_periods = _periods(tables.get(PERIOD), people)
    last_day = dict(zip(periods["person_id"], periods["end"], strict=True))
    judged = [
        judge(source, tables, people, last_day) for name, source in load_sources().items() if name in tables
    ]
    zeros = with_concepts(judged, vocabulary)
    for one in judged:
        _die_once(one)
    frames = {"person": persons, "observation_period": periods} | _with_costs(judged)
    unfit: Counter[str] = Counter()
    made = {name: project(name, frames[name], unfit) for name in load_fields() if name in frames}
    for name in load_fields():
        made.setdefault(name, project(name, persons.iloc[:0][["person_id"]], unfit))
    made["cdm_source"] = project("cdm_source", _cdm_source(about, vocabulary.version), unfit)
    costs = made["cost"].num_rows
    report = Report(
        accounts=(of_persons, *of_periods, *map(_account, judged), *_no_map(tables)),
        unmapped=_unmapped(zeros, persons),
        derived=dict(sorted(sum((one.derived for one in judged), Counter[str]()).items())),
        unfit=dict(sorted(unfit.items())),
        tables={name: table.num_rows for name, table in made.items()},
        second={"cost": costs} if costs else {},
        vocabulary=vocabulary.version,
        rules_sha256=rules_sha256(),
        generalised=coarse,
    )
    return OmopExport({name: made[name] for name in load_fields()}, report, people)


def _check(tables: Tables, facts: Mapping[str, Any]) -> None:
    subjects = tables.get(SUBJECT)
    if subjects is None or SUBJECT_ID not in subjects.columns:
        raise LOCK_UNFIT.error(table=SUBJECT, column=SUBJECT_ID)
    for column, en, zh in (
        ("index_quarter", "days since the index date", "距起始日的天数"),
        ("index_month", "months", "月份"),
    ):
        if column in subjects.columns:
            raise DATES_NOT_DAYS.error(kind=en, kind_zh=zh)
    if f"{SUBJECT}.age_years" in facts.get("generalised", {}):
        raise AGE_COARSE.error()
    for column in ("index_date", "age_years", "gender"):
        if column not in subjects.columns:
            raise LOCK_UNFIT.error(table=SUBJECT, column=column)
    for name in load_sources():
        if name in tables and SUBJECT_ID not in tables[name].columns:
            raise LOCK_UNFIT.error(table=name, column=SUBJECT_ID)


def _without_coarse(tables: Tables, plan: Mapping[str, str]) -> tuple[Tables, dict[str, int]]:
    """The tables without what the lock holds coarser than it was, and how many values of each column that were.

    The model has no way to say that a code is only a category, or a number the beginning of a band: handed on, each
    would be read as exact.
    """
    kept, coarse = dict(tables), {}
    for name in sorted(plan):
        table, _, column = name.partition(".")
        if table in kept and column in kept[table].columns:
            coarse[name] = int(kept[table][column].notna().sum())
            kept[table] = kept[table].assign(**{column: None})
    return kept, coarse


# -- people and what is known of them --------------------------------------------------------------


def _persons(subjects: pd.DataFrame) -> tuple[pd.DataFrame, Account]:
    import pandas as pd

    years = [
        _birth_year(at, age)
        for at, age in zip(first_day(subjects, ("index_date",)), subjects["age_years"], strict=True)
    ]
    genders = load_concepts()["gender"]
    frame = pd.DataFrame(
        {
            SUBJECT_ID: subjects[SUBJECT_ID].to_numpy(dtype=object),
            "year_of_birth": pd.array(years, dtype="Int64"),
            "gender": texts(subjects, "gender").to_numpy(dtype=object),
        }
    )
    known = frame[frame["year_of_birth"].notna()].sort_values(SUBJECT_ID, ignore_index=True)
    known["person_id"] = range(1, len(known) + 1)
    known["gender_concept_id"] = [genders.get(word, 0) for word in known["gender"]]
    out = len(frame) - len(known)
    return known, Account(SUBJECT, len(frame), {"person": len(known)}, {BIRTH_YEAR: out} if out else {})


def _birth_year(index_date: str | None, age: Any) -> int | None:
    import pandas as pd

    if index_date is None or pd.isna(age):
        return None
    try:
        year = (date.fromisoformat(index_date) - _HALF_A_YEAR).year - int(age)
    except (OverflowError, ValueError):
        return None
    return year if year >= 1 else None


def _periods(table: pd.DataFrame | None, people: Mapping[str, int]) -> tuple[pd.DataFrame, list[Account]]:
    import pandas as pd

    columns = ["person_id", "start", "end", "type_concept_id", "id"]
    if table is None:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in columns}), []
    frame = pd.DataFrame(
        {
            "person_id": table[SUBJECT_ID].map(dict(people)),
            "start": first_day(table, ("first_date",)),
            "end": first_day(table, ("last_date",)),
        }
    )
    stranger = frame["person_id"].isna()
    undated = ~stranger & (frame["start"].isna() | frame["end"].isna())
    known = frame[~stranger & ~undated].sort_values(["person_id", "start", "end"], ignore_index=True)
    known = known.assign(type_concept_id=_EHR, id=range(1, len(known) + 1)).astype({"person_id": "int64"})
    out = {rule: int(rows.sum()) for rule, rows in ((PERSON, stranger), (DAY, undated)) if rows.any()}
    return known, [Account(PERIOD, len(frame), {PERIOD: len(known)}, out)]


def _die_once(one: Judged) -> None:
    """Of a person's deaths the earliest stands: the model holds one."""
    died = one.frame[one.frame["target"] == "death"].sort_values(["person_id", "start"], kind="stable")
    again = died.index[died.duplicated("person_id")]
    if len(again):
        one.left_out[DIED_ONCE] += len(again)
        one.frame = one.frame.drop(index=again).reset_index(drop=True)


# -- costs beside the charged items ----------------------------------------------------------------


def _with_costs(judged: list[Judged]) -> dict[str, pd.DataFrame]:
    frames = events_of(judged)
    charged = [one for one in judged if one.source.also == "cost" and len(one.frame)]
    if charged:
        observations = frames["observation"]
        rows = observations[observations["cost_domain"].notna()]
        own = rows.reindex(columns=["own_payment_amount", "own_expense_amount"]).astype("float64")
        frames["cost"] = rows.assign(
            event_id=rows["id"], id=range(1, len(rows) + 1), patient_amount=own.sum(axis=1, min_count=1)
        )
    return frames


# -- accounts --------------------------------------------------------------------------------------


def _account(one: Judged) -> Account:
    handed_on = one.frame["target"].value_counts().sort_index()
    left_out = {rule.id: one.left_out[rule.id] for rule in load_rules().rules if one.left_out[rule.id]}
    return Account(one.source.name, one.rows, {str(name): int(n) for name, n in handed_on.items()}, left_out)


def _no_map(tables: Tables) -> list[Account]:
    others = sorted(tables.keys() - load_sources().keys() - {SUBJECT, PERIOD})
    return [
        Account(name, len(tables[name]), {}, {NO_MAP: len(tables[name])} if len(tables[name]) else {})
        for name in others
    ]


def _unmapped(zeros: Zeros, persons: pd.DataFrame) -> tuple[Unmapped, ...]:
    """Every field of the export whose concept is 0, by code system and reason."""
    fields = {
        (table, one.source): (table, one.name)
        for table, of in load_fields().items()
        for one in of
        if one.source
    }
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for (table, column, system, why), rows in zeros.items():
        # What a charge says of its money stands in the cost beside the observation.
        field = fields.get((table, column)) or fields.get(("cost", column))
        if field is not None:
            counts[*field, system, why] += rows
    for table, of in load_fields().items():
        for one in of:
            if one.source == "not_collected" and len(persons):
                counts[table, one.name, "", "not_collected"] += len(persons)
    for gender, concept in zip(persons["gender"], persons["gender_concept_id"], strict=True):
        if concept == 0:
            counts["person", "gender_concept_id", "", "word_unknown" if gender else "no_code"] += 1
    return tuple(Unmapped(*key, rows) for key, rows in sorted(counts.items()))


def _cdm_source(about: About, vocabulary: str) -> pd.DataFrame:
    import pandas as pd

    rules = load_rules()
    return pd.DataFrame(
        {
            "cdm_source_name": [about.name[:255]],
            "cdm_source_abbreviation": [about.abbreviation[:25]],
            "cdm_holder": [about.holder[:255]],
            "source_description": [about.description],
            "source_documentation_reference": ["docs/reference/omop.md"],
            "cdm_etl_reference": [f"{rules.guide}; rules {rules.version}, sha256 {rules_sha256()}"],
            "source_release_date": [about.made_on],
            "cdm_release_date": [about.made_on],
            "cdm_version": [f"v{rules.cdm}"],
            "cdm_version_concept_id": [_CDM_CONCEPT],
            "vocabulary_version": [vocabulary[:20]],
        }
    )
