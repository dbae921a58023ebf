"""The risk report of a table: figures, level, verdict per sharing form, in the order of GB/T 42460-2023 §6.

`risk_report_of(table, measures)` computes what a file alone allows; `risk_report(...)` takes what a flow has
measured. The result is frozen, holds no value out of the table, and says what was not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deidentify.risk.sections import Assumed, Conclusion, Section, sections_of
from deidentify.risk.verdict import (
    LEGAL_STATES,
    LEVEL_NAMES,
    Evidence,
    FormVerdict,
    Levels,
    judge,
    legal_state_of,
    level_of,
    load_levels,
    strictest,
)
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from deidentify.risk.attack import AttackReport
    from deidentify.risk.fingerprint import Fingerprint
    from deidentify.risk.measures import Measures
    from deidentify.risk.people import People
    from deidentify.risk.population import Journalist, Uniqueness
    from deidentify.risk.quasi import QuasiRank, WithoutColumn
    from deidentify.risk.residual import Residual
    from deidentify.risk.table import Table

FORMAT_VERSION = 1
MOST_ATTACKED = 200_000  # records; a larger table is attacked as a sample that the caller draws
_SEED = 20260101


@dataclass(frozen=True)
class Subject:
    """What was assessed. `id`: a lock's or upload's id, or a file's name; never a value from it."""

    kind: str  # file | lake | lock | extract
    id: str
    title: Bilingual


@dataclass(frozen=True)
class Findings:
    """Everything that was computed about a table. None: not looked at."""

    measures: Measures
    ranking: tuple[QuasiRank, ...] = ()
    without: tuple[WithoutColumn, ...] = ()
    uniqueness: Uniqueness | None = None
    outside: Journalist | None = None
    fingerprint: Fingerprint | None = None
    residual: Residual | None = None
    attacks: AttackReport | None = None
    people: People | None = None  # None: a row is a person, by how the table was made

    def as_dict(self) -> dict[str, Any]:
        m = self.measures
        return {
            "records": m.records,
            "quasi": list(m.quasi),
            "sensitive": m.sensitive,
            "k": m.k,
            "classes": m.classes,
            "uniques": m.uniques,
            "class_sizes": {str(size): count for size, count in m.class_sizes.items()},
            "l": m.l,
            "entropy_l": m.entropy_l,
            "t": m.t,
            "prosecutor_max": m.prosecutor_max,
            "marketer": m.marketer,
            "journalist_max": None if self.outside is None else self.outside.maximum,
            "population_uniqueness": None if self.uniqueness is None else self.uniqueness.as_dict(),
            "ranking": [
                {"columns": list(r.columns), "distinction": r.distinction, "separation": r.separation}
                for r in self.ranking
            ],
            "fingerprint": None if self.fingerprint is None else self.fingerprint.as_dict(),
            "residual": None if self.residual is None else self.residual.as_dict(),
            "attacks": None if self.attacks is None else self.attacks.as_dict(),
            "persons": None if self.people is None else self.people.as_dict(),
        }


@dataclass(frozen=True)
class RiskReport:
    """A report as it is stored and read. `verdict` is the strictest sharing form that passes, or `none`."""

    subject: Subject
    findings: Findings
    level: int
    legal_state: str  # identified | de-identified | aggregate; never anonymous
    verdict: str
    forms: tuple[FormVerdict, ...]
    sections: tuple[Section, ...] = field(repr=False)
    thresholds: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """JSON values alone."""
        return {
            "format_version": FORMAT_VERSION,
            "subject": {"kind": self.subject.kind, "id": self.subject.id, **self.subject.title._asdict()},
            "level": {"number": self.level, **LEVEL_NAMES[self.level]._asdict()},
            "legal_state": {"name": self.legal_state, **LEGAL_STATES[self.legal_state]._asdict()},
            "verdict": self.verdict,
            "forms": [form.as_dict() for form in self.forms],
            "figures": self.findings.as_dict(),
            "thresholds": dict(self.thresholds),
            "sections": [section.as_dict() for section in self.sections],
        }


def risk_report(
    subject: Subject,
    findings: Findings,
    *,
    aggregate: bool = False,
    direct_identifiers: Sequence[str] = (),
    notes: Sequence[Bilingual] = (),
    consulted: Sequence[Bilingual] = (),
    levels: Levels | None = None,
) -> RiskReport:
    """Judge findings by the thresholds and put them into words.

    `direct_identifiers` are columns known to identify a person; `notes` go into 6.1 (what was assumed);
    `consulted` into 6.5.
    """
    rules = levels or load_levels()
    evidence = Evidence(
        findings.measures,
        findings.without,
        findings.residual,
        findings.fingerprint,
        findings.attacks,
        findings.people,
    )
    forms = tuple(judge(form, evidence) for form in rules.forms)
    level = level_of(forms, findings.residual, aggregate=aggregate, direct=bool(direct_identifiers))
    state = legal_state_of(level)
    conclusion = Conclusion(forms, LEVEL_NAMES[level], LEGAL_STATES[state])
    assumed = Assumed(tuple(direct_identifiers), tuple(notes), tuple(consulted))
    return RiskReport(
        subject,
        findings,
        level,
        state,
        "none" if level == 1 else strictest(forms),
        forms,
        sections_of(subject.title, findings, conclusion, assumed, rules),
        {"version": rules.version, "sha256": rules.sha256},
    )


def findings_of(
    table: Table,
    measures: Measures,
    *,
    uniqueness: Uniqueness | None = None,
    outside: Journalist | None = None,
    fingerprint: Fingerprint | None = None,
    seed: int = _SEED,
) -> Findings:
    """What a table alone allows: ranking, residual scan and attacks beside the measures already taken."""
    from deidentify.risk.quasi import rank_quasi_identifiers, without_each
    from deidentify.risk.residual import scan_table

    return Findings(
        measures=measures,
        ranking=rank_quasi_identifiers(table, measures.quasi),
        without=without_each(table, measures.quasi),
        uniqueness=uniqueness,
        outside=outside,
        fingerprint=fingerprint,
        residual=scan_table(table, (*measures.quasi, measures.sensitive)),
        attacks=_attacks(table, measures, seed),
    )


def risk_report_of(
    table: Table,
    measures: Measures,
    *,
    uniqueness: Uniqueness | None = None,
    outside: Journalist | None = None,
    people: People | None = None,
    seed: int = _SEED,
) -> RiskReport:
    """The report of a file. `measure` must have run on the table last.

    A file's rows need not be people: where the caller has not counted them, they are counted here.
    """
    from deidentify.risk.people import count_people

    findings = findings_of(table, measures, uniqueness=uniqueness, outside=outside, seed=seed)
    findings = replace(findings, people=people or count_people(table, measures.quasi))
    return risk_report(Subject("file", table.name, Bilingual(table.name, table.name)), findings)


def _attacks(table: Table, measures: Measures, seed: int) -> AttackReport | None:
    """None for a table that is too small to be cut in two, or too large to be attacked whole."""
    from deidentify.risk.attack import attack_held_out

    quasi = [column for column in measures.quasi if column != measures.sensitive]
    if not 20 <= measures.records <= MOST_ATTACKED or not quasi:
        return None
    columns = [*quasi, measures.sensitive]
    named = ", ".join(f"c{table.position(column)} AS a{place}" for place, column in enumerate(columns))
    with table.reading() as connection:
        # In a fixed order: the same seed must cut the same table into the same halves.
        frame = connection.execute(f"SELECT {named} FROM ({table.select}) ORDER BY ALL").df()  # noqa: S608 - names made here, no value
    frame.columns = columns
    return attack_held_out(frame, quasi, measures.sensitive, seed=seed)
