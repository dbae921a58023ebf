"""What admitting one upload has found so far: the account, the rows for the lake, the reasons.

Pure bookkeeping, kept apart from the flow so that its rules can be read and tested alone:
a transaction is admitted whole or not at all; the same resource with the same content again is a
duplicate; with other content it is a newer version, and the last one sent is the one that counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rwd_platform.core.accounting import Accounting, Outcome
from rwd_platform.core.units import Flat, Issue, Place
from rwd_platform.flows.vault import Sighting

ResourceKey = tuple[str, str]  # resource type, pseudonym of its id

GROUP_REFUSED = Issue(
    code="business-rule",
    expression="Bundle",
    zh="同一事务 Bundle 中另有条目未通过，整个事务未被接收。",
    en="Another entry of the same transaction Bundle did not pass, so the whole transaction was not taken in.",
    next_zh="修正同一 Bundle 中被指出的条目，然后重新发送整个 Bundle。",
    next_en="Mend the entry that is named in the same Bundle, then send the whole Bundle again.",
    rule="transaction-incomplete",
)
ID_MISSING = Issue(
    code="required",
    expression="id",
    zh="资源没有 id，无法与其他资源区分，也无法识别重复与更新。",
    en="The resource has no id, so it cannot be told from others, nor a repeat or an update be recognised.",
    next_zh="请带上来源系统中的资源 id 后重新发送。",
    next_en="Send it again with the id that it has in the source system.",
    rule="resource.id_missing",
)
PATIENT_UNKNOWN = Issue(
    code="not-found",
    expression="subject.reference",
    zh="所指患者未曾由本来源系统发送。",
    en="The patient it refers to was never sent by this source system.",
    next_zh="请先发送（或一并发送）该患者的 Patient 资源，再重新发送本条。",
    next_en="Send that Patient resource first, or together with this one, then send this one again.",
    rule="dangling-reference",
)

PATIENT_MISSING = Issue(
    code="required",
    expression="subject.reference",
    zh="无法确定资源属于哪位患者：没有 subject，或其引用不是“Patient/编号”。",
    en="Whose resource it is cannot be told: it has no subject, or one that is not `Patient/id`.",
    next_zh="请把 subject 写成“Patient/编号”（不在同一 Bundle 内时不能用 urn:uuid），再重新发送。",
    next_en="Write the subject as `Patient/id` (urn:uuid works only inside its own Bundle), then send it again.",
    rule="patient-missing",
)


@dataclass(frozen=True)
class Judged:
    """One unit after reading, validation and de-identification. Its bytes are no longer needed, only their digest."""

    place: Place
    group: str | None
    number: int  # counts the units of its file, from 0
    resource_type: str
    outcome: Outcome
    issues: tuple[Issue, ...] = ()
    digest: str = ""
    key: ResourceKey | None = None
    patient_id: str = ""  # lake pseudonym; "" when the resource is about no patient
    content_sha256: str = ""
    flat: tuple[Flat, ...] = ()
    dropped: tuple[str, ...] = ()
    seen: Sighting | None = None  # what a Patient says of the person: for the vault alone

    def refused(self, outcome: Outcome, issue: Issue) -> Judged:
        """The same unit, kept out after all: nothing of it reaches lake or vault."""
        return replace(self.as_duplicate(), outcome=outcome, issues=(*self.issues, issue), seen=None)

    def as_duplicate(self) -> Judged:
        """The lake has it. The vault takes it all the same: a new telephone number changes nothing else."""
        return replace(
            self, outcome=Outcome.DUPLICATE, key=None, patient_id="", content_sha256="", flat=(), dropped=()
        )


@dataclass
class FileFindings:
    """One file's units in order, and its account."""

    file_id: str
    sha256: str
    judged: list[Judged] = field(default_factory=list)
    repeats: Accounting | None = None  # of a file whose bytes came before: all duplicate

    @property
    def accounting(self) -> Accounting:
        if self.repeats is not None:
            return self.repeats
        counts = Counter(one.outcome for one in self.judged)
        return Accounting(
            accepted=counts[Outcome.ACCEPTED],
            rejected=counts[Outcome.REJECTED],
            quarantined=counts[Outcome.QUARANTINED],
            duplicate=counts[Outcome.DUPLICATE],
        )

    def of_outcome(self, *outcomes: Outcome) -> Iterable[Judged]:
        return (one for one in self.judged if one.outcome in outcomes)


def settle(files: Sequence[FileFindings], known: Mapping[ResourceKey, str]) -> None:
    """Decide what only the whole upload can tell: dangling references, transactions, duplicates.

    `known` maps what the lake already holds from this source to its content hash.
    """
    # Each may break the other's ground: a refused transaction takes its Patient back, and what is
    # about that patient may be part of another transaction. Units only ever leave, so it ends.
    accepted: int | None = None
    while accepted != (accepted := _accepted(files)):
        _refuse_broken_transactions(files)
        _quarantine_unknown_patients(files, known)
    _mark_duplicates(files, known)


def _accepted(files: Sequence[FileFindings]) -> int:
    return sum(1 for file in files for _ in file.of_outcome(Outcome.ACCEPTED))


def _quarantine_unknown_patients(files: Sequence[FileFindings], known: Mapping[ResourceKey, str]) -> None:
    patients = {id for type, id in known if type == "Patient"}
    for file in files:
        patients |= {
            one.key[1] for one in file.of_outcome(Outcome.ACCEPTED) if one.key and one.key[0] == "Patient"
        }
    for file in files:
        file.judged = [
            one.refused(Outcome.QUARANTINED, PATIENT_UNKNOWN)
            if one.outcome is Outcome.ACCEPTED and one.patient_id and one.patient_id not in patients
            else one
            for one in file.judged
        ]


def _refuse_broken_transactions(files: Sequence[FileFindings]) -> None:
    """All of a transaction, or none: its good entries share the outcome of the one that failed."""
    for file in files:
        worst: dict[str, Outcome] = {}
        for one in file.judged:
            failed = one.outcome in (Outcome.REJECTED, Outcome.QUARANTINED)
            if one.group and failed and worst.get(one.group) is not Outcome.REJECTED:
                worst[one.group] = one.outcome
        file.judged = [
            one.refused(worst[one.group], GROUP_REFUSED)
            if one.group in worst and one.outcome is Outcome.ACCEPTED
            else one
            for one in file.judged
        ]


def _mark_duplicates(files: Sequence[FileFindings], known: Mapping[ResourceKey, str]) -> None:
    seen = dict(known)
    for file in files:
        for index, one in enumerate(file.judged):
            if one.outcome is not Outcome.ACCEPTED or one.key is None:
                continue
            if seen.get(one.key) == one.content_sha256:
                file.judged[index] = one.as_duplicate()
            seen[one.key] = one.content_sha256


def lake_rows(
    files: Sequence[FileFindings], *, organisation_id: str, source_system: str
) -> dict[str, list[dict[str, Any]]]:
    """Rows per lake table, with their provenance. Of several versions of a resource the last one counts.

    Whose a resource is stands in each of its rows, also where the table's definition does not ask for it: a device
    and a supply may be about a patient, or about nobody.
    """
    newest: dict[ResourceKey, tuple[FileFindings, Judged]] = {}
    for file in files:
        for one in file.of_outcome(Outcome.ACCEPTED):
            if one.key is not None:
                newest[one.key] = (file, one)
    tables: dict[str, list[dict[str, Any]]] = {"resource": []}
    for (type, id), (file, one) in newest.items():
        about = {
            "organisation_id": organisation_id,
            "source_system": source_system,
            "resource_type": type,
            "resource_id": id,
            "source_file_sha256": file.sha256,
            "source_line": one.place.line,
            "line_digest": one.digest,
            "content_sha256": one.content_sha256,
        }
        owner = {"patient_id": one.patient_id} if one.patient_id else {}
        tables["resource"].append({**about, "patient_id": one.patient_id, "row_index": 0})
        for flat in one.flat:
            rows = tables.setdefault(flat.table, [])
            rows.extend({**row, **owner, **about, "row_index": index} for index, row in enumerate(flat.rows))
    return tables


def place_fields(place: Place) -> dict[str, Any]:
    return {
        "file": place.file,
        "line": place.line,
        "row": place.row,
        "column": place.column,
        "entry": place.entry,
    }
