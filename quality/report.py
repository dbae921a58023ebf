"""What a check found: raw counts for every rule, hospital and upload, and the verdicts that thresholds give them.

The counts are the facts; a verdict is a view of them, and another threshold gives another verdict without
another look at a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from quality.rules import Rule, Suite
from quality.suite import load_references
from rwd_platform.core.text import Bilingual

Status = Literal["pass", "pass_with_rows", "fail", "not_applicable", "error"]
STATUSES = {
    "pass": Bilingual("通过", "pass"),
    "pass_with_rows": Bilingual("通过，有个别行", "pass, with rows"),
    "fail": Bilingual("不通过", "fail"),
    "not_applicable": Bilingual("不适用", "not applicable"),
    "error": Bilingual("未能检查", "could not be asked"),
}
_OUTCOMES = {"pass_with_rows": "pass"}


def status_of(rule: Rule, applicable: int, failing: int) -> Status:
    """A denominator of 0 is never a pass."""
    if not applicable:
        return "not_applicable"
    if (applicable - failing) / applicable < rule.mostly:
        return "fail"
    return "pass_with_rows" if failing else "pass"


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule in one hospital's rows, or in all (`organisation_id` None).

    `rows` of the table were looked at; the rule spoke about `applicable` and `failing` of those broke it, in
    the rule's unit. `statistic` is the drift that was measured. `error` says why the rule could not be asked.
    """

    table: str
    rule: str
    organisation_id: str | None
    rows: int
    applicable: int
    failing: int
    status: Status
    statistic: float | None = None
    error: Mapping[str, str] | None = None

    @property
    def outcome(self) -> str:
        """The status in the fewer words of older reports: pass | fail | not_applicable | error."""
        return _OUTCOMES.get(self.status, self.status)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": self.outcome}


@dataclass(frozen=True)
class UploadCount:
    """One upload's rows in one table: for each rule that spoke about any, (applicable, failing)."""

    table: str
    organisation_id: str
    upload_id: str
    rows: int
    rules: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Distribution:
    """How one upload's rows fall into a rule's bins. A report lists the uploads of a hospital in order of time."""

    rule: str
    organisation_id: str
    upload_id: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class QualityReport:
    """Every rule's result, for all hospitals together first, then for each, by name; and what it was drawn from.

    `thresholds`: version, who, why and hash of the thresholds applied, when they are not the suites' own.
    """

    suites: tuple[Suite, ...]
    results: tuple[RuleResult, ...]
    uploads: tuple[UploadCount, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    thresholds: Mapping[str, Any] | None = None
    _rules: dict[str, Rule] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._rules.update({rule.id: rule for suite in self.suites for rule in suite.rules})

    @property
    def organisations(self) -> tuple[str, ...]:
        return tuple(sorted({result.organisation_id for result in self.results if result.organisation_id}))

    def rule(self, rule_id: str) -> Rule:
        return self._rules[rule_id]

    def of(self, table: str, organisation_id: str | None = None) -> tuple[RuleResult, ...]:
        return tuple(
            result
            for result in self.results
            if (result.table, result.organisation_id) == (table, organisation_id)
        )

    def of_upload(self, upload_id: str) -> tuple[RuleResult, ...]:
        """What became of every rule in one upload's rows as they stand in the lake. Drift is not of one upload."""
        found = []
        for count in self.uploads:
            if count.upload_id == upload_id:
                for rule_id, (applicable, failing) in count.rules.items():
                    status = status_of(self.rule(rule_id), applicable, failing)
                    place = (count.table, rule_id, count.organisation_id)
                    found.append(RuleResult(*place, count.rows, applicable, failing, status))
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """JSON values: suites with their hashes, rules with their texts and thresholds, results."""
        return {
            "suites": [
                {
                    "table": suite.table,
                    "version": suite.version,
                    "sha256": suite.sha256,
                    "required": suite.required,
                    **_texts(suite.title),
                }
                for suite in self.suites
            ],
            "rules": [_rule_facts(rule) for suite in self.suites for rule in suite.rules],
            "results": [result.as_dict() for result in self.results],
            "thresholds": dict(self.thresholds) if self.thresholds else None,
        }

    def uploads_as_dict(self) -> dict[str, Any]:
        """JSON values of what is known by upload; upload ids are of this deployment's records."""
        return {
            "counts": [
                {**asdict(count), "rules": {rule: list(pair) for rule, pair in count.rules.items()}}
                for count in self.uploads
            ],
            "distributions": [asdict(one) for one in self.distributions],
        }


def _texts(text: Bilingual) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _rule_facts(rule: Rule) -> dict[str, Any]:
    reference = load_references().get(rule.reference)
    return {
        "id": rule.id,
        "table": rule.table,
        "kind": rule.kind,
        "kahn": rule.category,
        "context": rule.context,
        "severity": rule.severity,
        "unit": rule.unit,
        "mostly": rule.mostly,
        "limit": rule.limit,
        "min_rows": rule.min_rows,
        "row_action": "quarantine" if rule.holds_rows_back else "keep",
        "reference": {
            "key": rule.reference,
            **(_texts(reference.text) if reference else {}),
            "source": reference.source if reference else "",
        },
        **_texts(rule.text),
    }


def read_report(stored: Mapping[str, Any]) -> QualityReport:
    """The report of a stored run (`QualityRun.report`), of this version or an older one.

    An older run has neither severities nor counts by upload: its rules closed the gate, one and all.
    """
    checks, uploads = stored["checks"], stored.get("uploads", {})
    rules: dict[str, list[Rule]] = {suite["table"]: [] for suite in checks["suites"]}
    for facts in checks["rules"]:
        rules[facts["table"]].append(_read_rule(facts))
    return QualityReport(
        suites=tuple(
            Suite(
                table=suite["table"],
                version=suite["version"],
                sha256=suite["sha256"],
                title=Bilingual(suite["zh"], suite["en"]),
                required=suite.get("required", suite["table"] == "patient"),
                columns={},
                rules=tuple(rules[suite["table"]]),
            )
            for suite in checks["suites"]
        ),
        results=tuple(_read_result(facts) for facts in checks["results"]),
        uploads=tuple(
            UploadCount(**{**facts, "rules": {rule: (a, f) for rule, (a, f) in facts["rules"].items()}})
            for facts in uploads.get("counts", ())
        ),
        distributions=tuple(Distribution(**facts) for facts in uploads.get("distributions", ())),
        thresholds=checks.get("thresholds"),
    )


def _read_rule(facts: Mapping[str, Any]) -> Rule:
    return Rule(
        id=facts["id"],
        table=facts["table"],
        kind=facts.get("kind", ""),
        category=facts["kahn"],
        context=facts["context"],
        text=Bilingual(facts["zh"], facts["en"]),
        mostly=facts["mostly"],
        holds_rows_back=facts["row_action"] == "quarantine",
        severity=facts.get("severity", "critical"),
        reference=facts.get("reference", {}).get("key", ""),
        limit=facts.get("limit", 0.0),
        min_rows=facts.get("min_rows", 0),
    )


def _read_result(facts: Mapping[str, Any]) -> RuleResult:
    counts = facts["rows"], facts["applicable"], facts["failing"]
    status: Status | None = facts.get("status")
    if status is None:
        older: Mapping[str, Status] = {"pass": "pass_with_rows" if facts["failing"] else "pass"}
        status = older.get(facts["outcome"], facts["outcome"])
    place = facts["table"], facts["rule"], facts["organisation_id"]
    return RuleResult(*place, *counts, status, facts.get("statistic"), facts.get("error"))
