"""The second demo's adverse events: of the Lecheng patients alone, from a known model. Nobody and nothing of it exists.

The outside hospital keeps no reports of adverse events, as hospitals outside a study do: its zeros are silence, and
the study has to say so. Of each Lecheng patient, independently of each other:

    bleeding at the access site       chance 0.10, on day 0, 1 or 2; serious in 0.4 of them
    conduction disturbance, pacemaker chance 0.12, on day 0 to 10; always serious
    vascular complication             chance 0.08, on day 0 or 1; serious in 0.5 of them
    death (of the outcome's model)    reported as a fatal adverse event on its day
    one deficiency of a device        a delivery system found damaged before use: no harm came of it

An event after a patient's last day is not known to anybody, and is not made.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rwd_platform.demo.implant_patients import LECHENG, ImplantPatient


@dataclass(frozen=True)
class Risk:
    """The chance of a kind of event, its days (each as likely), and the share that is serious."""

    code: str  # ICD-10
    display: str
    chance: float
    days: range
    serious: float
    causality: str


RISKS = {
    "bleeding": Risk("T81.0", "操作并发出血和血肿", 0.10, range(3), 0.4, "Probably-Likely"),
    "conduction": Risk("I44.2", "完全性房室传导阻滞", 0.12, range(11), 1.0, "Certain"),
    "vascular": Risk("T81.7", "操作后血管并发症", 0.08, range(2), 0.5, "Possible"),
}
DEATH = ("I46.9", "心脏停搏")
DEFICIENCY = ("T82.0", "心脏瓣膜假体的机械性并发症")


@dataclass(frozen=True)
class ImplantEvent:
    """One report. `day` counts from the implantation."""

    patient: ImplantPatient
    kind: str
    code: str
    display: str
    day: int
    seriousness: str
    causality: str
    outcome: str
    actuality: str = "actual"


def implant_events(patients: Sequence[ImplantPatient], seed: int) -> tuple[ImplantEvent, ...]:
    """The reports on the patients of Lecheng, by patient and kind. A random stream of its own: no patient changes."""
    chance = random.Random(f"rwd demo implant events {seed}")  # noqa: S311  # must be repeatable; no secret
    treated = [one for one in patients if one.hospital == LECHENG]
    damaged = chance.choice(treated).number if treated else 0
    return tuple(event for one in treated for event in _of(one, damaged, chance))


def _of(patient: ImplantPatient, damaged: int, chance: random.Random) -> Iterator[ImplantEvent]:
    for kind, risk in RISKS.items():
        happens, day = chance.random() < risk.chance, chance.choice(risk.days)
        grave = chance.random() < risk.serious
        if happens and day <= patient.last_day:
            seriousness = "SeriousResultsInHospitalization" if grave else "Non-serious"
            yield ImplantEvent(
                patient, kind, risk.code, risk.display, day, seriousness, risk.causality, "resolved"
            )
    if patient.died:
        yield ImplantEvent(
            patient, "death", *DEATH, patient.last_day, "SeriousResultsInDeath", "Unlikely", "fatal"
        )
    if patient.number == damaged:
        yield ImplantEvent(
            patient, "deficiency", *DEFICIENCY, 0, "Non-serious", "Certain", "resolved", "potential"
        )
