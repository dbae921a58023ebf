"""The data key of each patient of a hospital: made once, kept wrapped, found again to seal and to open.

One key seals a patient's vault entry and the patient's lines of the files as received, so that destroying
it makes both unreadable for good. Lines that are about no patient have a key too, under the name "".
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from sqlmodel import Session, col, select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.key_versions import current_version
from rwd_platform.records.records import Records
from rwd_platform.records.tables import PatientKey
from rwd_platform.signing.keys import KeyRing
from rwd_platform.signing.suites import KEY_BYTES
from rwd_platform.store.segments import DataKey

PURPOSE = "vault"  # in key_version; scope: an organisation
_AT_ONCE = 500  # ids in one question: SQLite takes 999 variables at least, and few are slow

KEY_DESTROYED = Problem(
    code="vault.key_destroyed",
    zh="患者 {patient} 的数据密钥已于 {at} 销毁，其身份信息与原始记录不可恢复，也不再接收其新数据。",
    en="The data key of patient {patient} was destroyed at {at}: identity and raw lines cannot be recovered, and "
    "nothing new about this patient is taken in.",
    next_zh="请在操作日志中查看销毁的依据；如医院仍发送该患者的数据，请医院从文件中移除。",
    next_en="The log says why it was destroyed; if the hospital still sends this patient, ask it to leave them out.",
    http=410,
    exit=Exit.REFUSED,
)
KEY_UNREADABLE = Problem(
    code="vault.key_unreadable",
    zh="患者 {patient} 的数据密钥不能用当前根密钥解开，或其记录已被更改。",
    en="The data key of patient {patient} cannot be unwrapped with this root key, or its record was changed.",
    next_zh="请检查 RWD_ROOT_KEY_FILE 是否为写入时所用的密钥，并运行 `rwd audit verify`。",
    next_en="Check that RWD_ROOT_KEY_FILE is the key it was written under, and run `rwd audit verify`.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def _purpose(organisation_id: str, version: int) -> str:
    return f"{PURPOSE}/{organisation_id}/{version}"


def _binding(organisation_id: str, patient_id: str, version: int) -> bytes:
    return canonical_json([organisation_id, patient_id, version])


def unwrap(keys: KeyRing, row: PatientKey) -> bytes:
    """The 32 bytes. Raises `vault.key_destroyed` or `vault.key_unreadable`."""
    if row.destroyed_at:
        raise KEY_DESTROYED.error(patient=row.patient_id, at=row.destroyed_at)
    try:
        return keys.of_suite(row.suite).unwrap(
            row.wrapped,
            purpose=_purpose(row.organisation_id, row.key_version),
            binding=_binding(row.organisation_id, row.patient_id, row.key_version),
        )
    except InvalidTag:
        raise KEY_UNREADABLE.error(patient=row.patient_id) from None


def renamed(keys: KeyRing, row: PatientKey, patient_id: str) -> PatientKey:
    """The same data key for the same patient under another pseudonym: wrapped anew, bound to that name.

    One that was destroyed stays destroyed.
    """
    copy = {**row.model_dump(), "patient_id": patient_id}
    if row.destroyed_at:
        return PatientKey(**copy)
    wrapped = keys.of_suite(row.suite).wrap(
        unwrap(keys, row),
        purpose=_purpose(row.organisation_id, row.key_version),
        binding=_binding(row.organisation_id, patient_id, row.key_version),
    )
    return PatientKey(**{**copy, "wrapped": wrapped})


@dataclass(frozen=True)
class PatientKeys:
    """The patients' keys of one deployment."""

    records: Records
    keys: KeyRing

    def find(self, organisation_id: str, patient_ids: Collection[str]) -> dict[str, DataKey | None]:
        """The keys that exist; None stands for one that was destroyed."""
        with self.records.reading() as session:
            rows = list(_rows(session, organisation_id, patient_ids))
        return {
            row.patient_id: None if row.destroyed_at else DataKey(row.suite, unwrap(self.keys, row))
            for row in rows
        }

    def ensure(
        self, session: Session, organisation_id: str, patient_ids: Iterable[str]
    ) -> dict[str, DataKey]:
        """A key for each, made where there is none, in the caller's transaction. Raises `vault.key_destroyed`.

        The transaction holds the log's lock, so that two workers cannot both make a patient's first key.
        """
        wanted = set(patient_ids)
        found = {
            row.patient_id: DataKey(row.suite, unwrap(self.keys, row))
            for row in _rows(session, organisation_id, wanted)
        }
        version = current_version(self.records, PURPOSE, organisation_id)
        for patient_id in sorted(wanted - set(found)):
            data_key = os.urandom(KEY_BYTES)
            session.add(self._row(organisation_id, patient_id, version, data_key))
            found[patient_id] = DataKey(self.keys.suite, data_key)
        return found

    def _row(self, organisation_id: str, patient_id: str, version: int, data_key: bytes) -> PatientKey:
        wrapped = self.keys.wrap(
            data_key,
            purpose=_purpose(organisation_id, version),
            binding=_binding(organisation_id, patient_id, version),
        )
        return PatientKey(
            organisation_id=organisation_id,
            patient_id=patient_id,
            suite=self.keys.suite,
            key_version=version,
            wrapped=wrapped,
            made_at=as_text(self.records.clock()),
        )


def _rows(session: Session, organisation_id: str, patient_ids: Collection[str]) -> Iterator[PatientKey]:
    wanted = sorted(patient_ids)
    for start in range(0, len(wanted), _AT_ONCE):
        yield from session.exec(
            select(PatientKey).where(
                PatientKey.organisation_id == organisation_id,
                col(PatientKey.patient_id).in_(wanted[start : start + _AT_ONCE]),
            )
        ).all()
