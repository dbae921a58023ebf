"""Methods and their operations: each statistic of a method, and beside it limits, counts and notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.text import Bilingual
from studies.evidence.ars.words import Json, Term, named, sponsor_term, statistic, title_of, words
from studies.results import ArdRow

# What a percentage is made of, where both counts are results of the same method: its numerator, and its
# denominator in the `n` beside it.
NUMERATORS: Mapping[str, str] = {"percent": "subjects", "affected_percent": "affected"}
LIMITS = ("ci_low", "ci_high")
_HASHED = 8  # hex digits of the method's words: enough to keep apart the few of one kind


@dataclass
class Method:
    """One kind of planned analysis and the operations that results asked for, in that order."""

    kind: str
    operations: dict[str, Json] = field(default_factory=dict)

    def value_of(self, row: ArdRow) -> tuple[str, Term]:
        """The operation that gives the row's value: `Op.<kind>.<statistic>.<hash of the row's method in words>`."""
        term = statistic(row.statistic, row.value)
        id = self._id(row.statistic, row.method, term)
        if id not in self.operations:
            operation = self._add(id, term.title, term.pattern)
            operation["description"] = row.method
            self._numerator(operation, row)
        return id, term

    def part(self, value_id: str, part: str, term: Term) -> tuple[str, Term]:
        """What stands beside a value: a limit is shown as the value is."""
        listed = words()["parts"][part]
        own = Term(Bilingual(listed["zh"], listed["en"]), listed["form"] or term.form)
        id = f"{value_id}.{part}"
        if id not in self.operations:
            of = self.operations[value_id]
            title = Bilingual(f"{of['label']}：{own.title.zh}", f"{of['name']}: {own.title.en}")
            operation = self._add(id, title, own.pattern)
            if part in LIMITS:
                relate(operation, value_id, sponsor_term("OperationRoleEnum", "estimate"), "estimate")
            if part == "n" and _statistic_of(value_id) in NUMERATORS:
                relate(of, id, {"controlledTerm": "DENOMINATOR"}, "denominator")
        return id, own

    def nothing(self) -> None:
        """A method has at least one operation, also where no result came of it."""
        if not self.operations:
            self._add(f"Op.{self.kind}.none", Bilingual("没有单独的结果行", "no result row of its own"), "")

    def as_dict(self) -> Json:
        """With the relationships whose other side exists."""
        for operation in self.operations.values():
            related = operation.pop("referencedOperationRelationships", [])
            if kept := [one for one in related if one["operationId"] in self.operations]:
                operation["referencedOperationRelationships"] = kept
        return {
            **named(method_id(self.kind), title_of("methods", self.kind)),
            "operations": list(self.operations.values()),
        }

    def relationships(self, used: Iterable[str]) -> list[str]:
        """The relationships of the operations used, whose other side is used as well."""
        ids = set(used)
        return [
            relation["id"]
            for id in self.operations
            if id in ids
            for relation in self.operations[id].get("referencedOperationRelationships", ())
            if relation["operationId"] in ids
        ]

    def _id(self, name: str, method: str, term: Term) -> str:
        words_or_number = ".text" if term.form == "text" else ""
        return f"Op.{self.kind}.{name}.{sha256_hex(method.encode())[:_HASHED]}{words_or_number}"

    def _add(self, id: str, title: Bilingual, pattern: str) -> Json:
        operation: Json = {**named(id, title), "order": len(self.operations) + 1}
        if pattern:
            operation["resultPattern"] = pattern
        self.operations[id] = operation
        return operation

    def _numerator(self, operation: Json, row: ArdRow) -> None:
        counted = NUMERATORS.get(row.statistic)
        if counted is None:
            return
        id = self._id(counted, row.method, statistic(counted, 0))
        relate(operation, id, {"controlledTerm": "NUMERATOR"}, "numerator")


def _statistic_of(value_id: str) -> str:
    """`Op.<kind>.<statistic>.<hash>`: the statistic as result rows name it."""
    return value_id.split(".")[2]


def relate(operation: Json, to: str, role: Json, name: str) -> None:
    relation = {"id": f"{operation['id']}.{name}", "operationId": to, "referencedOperationRole": role}
    operation.setdefault("referencedOperationRelationships", []).append(relation)


def method_id(kind: str) -> str:
    return f"Mth.{kind}"
