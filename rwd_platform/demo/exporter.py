"""The demo's input: real outcomes, sent as three hospitals would send them.

Published research data that prove the pipeline; not evidence from Lecheng. The same seed gives the same
bytes. Beside the three folders lies `manifest.json`: what was sent, what was planted, and the account that
admission must arrive at. It holds no identifier.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.accounting import Accounting
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.text import Bilingual
from rwd_platform.demo.defects import Defect
from rwd_platform.demo.hospitals import Sent, hospital_a, hospital_b, hospital_c
from rwd_platform.demo.identities import PlantedIdentifiers
from rwd_platform.demo.patients import DemoPatient, demo_patients

DEFAULT_SEED = 1978
MANIFEST = "manifest.json"
FORMAT_VERSION = 1

NOTICE = Bilingual(
    "公开发表的研究数据（鹿特丹肿瘤库），用于验证流程；并非乐城真实证据。身份信息均为虚构，药品为演示药。",
    "Published research data (Rotterdam tumour bank) that prove the pipeline; not evidence from Lecheng. "
    "Identities are invented, the product is a demo product.",
)
NAMES = {
    "a": Bilingual("演示医院甲", "Demo Hospital A"),
    "b": Bilingual("演示医院乙", "Demo Hospital B"),
    "c": Bilingual("演示医院丙", "Demo Hospital C"),
}
MAPPINGS = {"c": "demo-hospital-c"}  # the table mapping that an upload names; FHIR needs none


@dataclass(frozen=True)
class HospitalFiles:
    """One hospital's upload. `files` in the order of sending; `mapping` is empty where FHIR is sent."""

    key: str
    organisation_id: str
    name: Bilingual
    source_system: str
    mapping: str
    folder: Path
    files: tuple[Path, ...]
    defects: tuple[Defect, ...]
    expected: Accounting


@dataclass(frozen=True)
class DemoFiles:
    """Everything that was written, and the truth it was written from."""

    folder: Path
    manifest: Path
    seed: int
    hospitals: tuple[HospitalFiles, ...]
    patients: tuple[DemoPatient, ...]

    @property
    def defects(self) -> tuple[Defect, ...]:
        return tuple(defect for hospital in self.hospitals for defect in hospital.defects)

    def planted_identifiers(self) -> PlantedIdentifiers:
        """What must be found nowhere after admission."""
        return planted_identifiers(self.patients)


def planted_identifiers(patients: tuple[DemoPatient, ...]) -> PlantedIdentifiers:
    people = [patient.identity for patient in patients]
    return PlantedIdentifiers(
        names=tuple(who.name for who in people),
        resident_ids=tuple(who.resident_id for who in people),
        mobiles=tuple(who.mobile for who in people),
        addresses=tuple(who.street for who in people),
        inpatient_numbers=tuple(who.inpatient_number for who in people),
    )


def export(out_dir: Path, *, seed: int = DEFAULT_SEED) -> DemoFiles:
    """Write the three hospitals' folders and the manifest under `out_dir`, replacing files of those names."""
    patients = demo_patients(seed)
    of = {key: [patient for patient in patients if patient.hospital == key] for key in NAMES}
    sent = {"a": hospital_a(of["a"]), "b": hospital_b(of["b"], seed), "c": hospital_c(of["c"])}
    hospitals = tuple(_write(out_dir / f"hospital-{key}", key, one) for key, one in sent.items())
    manifest = out_dir / MANIFEST
    content = _manifest(seed, hospitals, sent, {key: len(own) for key, own in of.items()})
    manifest.write_bytes((json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
    return DemoFiles(out_dir, manifest, seed, hospitals, patients)


def _write(folder: Path, key: str, sent: Sent) -> HospitalFiles:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sent.files.items():
        (folder / name).write_bytes(content)
    return HospitalFiles(
        key=key,
        organisation_id=f"org-hospital-{key}",
        name=NAMES[key],
        source_system=f"demo-his-{key}",
        mapping=MAPPINGS.get(key, ""),
        folder=folder,
        files=tuple(folder / name for name in sent.files),
        defects=sent.defects,
        expected=sent.expected,
    )


def _manifest(
    seed: int, hospitals: tuple[HospitalFiles, ...], sent: Mapping[str, Sent], patients: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "seed": seed,
        "zh": NOTICE.zh,
        "en": NOTICE.en,
        "hospitals": [
            {
                "organisation_id": one.organisation_id,
                "zh": one.name.zh,
                "en": one.name.en,
                "source_system": one.source_system,
                "mapping": one.mapping,
                "patients": patients[one.key],
                "expected": one.expected.as_dict(),
                "files": [
                    {"name": name, "bytes": len(content), "sha256": sha256_hex(content)}
                    for name, content in sent[one.key].files.items()
                ],
            }
            for one in hospitals
        ],
        "planted": [defect.as_dict() for one in hospitals for defect in one.defects],
    }
