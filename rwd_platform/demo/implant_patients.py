"""The second demo's patients: invented people with an implant, whose true outcome probabilities are known.

Nobody here exists. A licensed valve V is implanted at a Lecheng hospital in sixty patients, who fly home and
are in part lost to follow-up; a standard valve in a hundred and forty patients of an outside hospital; a
single-arm trial abroad had valve V in older and sicker people. One model makes all three, so that every
number of the study can be held against the truth:

    hazard of failure (failure of the valve, a second intervention, or death) a day
        = DAILY_HAZARD * exp(AGE (age - 70) + EJECTION (ejection fraction - 50) + DIABETES [diabetes])
          * VALVE_V where the valve is V
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from rwd_platform.demo.identities import Identity, IdentityMaker, shift_years

LECHENG, OUTSIDE = "d", "e"
Valve = Literal["V", "S"]

DAILY_HAZARD = 0.00042
AGE, EJECTION, DIABETES = 0.03, -0.03, 0.45
VALVE_V = 0.6  # the true hazard ratio of valve V to the standard valve
HORIZON = 365
LAST_DAY = 400  # the follow-up of the study ends there
FIRST_DAY = date(2023, 1, 2)
ENROLMENT_DAYS = 500


@dataclass(frozen=True)
class Population:
    """Who is treated: mean and SD of age (years) and ejection fraction (%), share with diabetes, and of women;
    `loss` is the daily hazard of being lost to follow-up.
    """

    subjects: int
    age: tuple[float, float]
    ejection: tuple[float, float]
    diabetes: float
    women: float
    loss: float


POPULATIONS = {
    LECHENG: Population(60, (68.0, 7.0), (53.0, 9.0), 0.25, 0.45, 0.0005),
    OUTSIDE: Population(140, (72.0, 8.0), (50.0, 10.0), 0.35, 0.50, 0.00012),
}
ABROAD = Population(240, (76.0, 7.0), (48.0, 10.0), 0.38, 0.48, 0.0)


@dataclass(frozen=True)
class ImplantPatient:
    """One patient. `last_day` is the day of the failure, or of the last contact; days count from the implantation."""

    hospital: str
    number: int
    identity: Identity
    birth_date: date
    gender: Literal["female", "male"]
    valve: Valve
    implant_date: date
    operator: int
    age: int
    ejection: int
    diabetes: bool
    last_day: int
    failed: bool
    died: bool

    @property
    def last_date(self) -> date:
        return self.implant_date + timedelta(days=self.last_day)


def daily_hazard(age: float, ejection: float, diabetes: bool, valve: Valve) -> float:
    """Of failure; constant in time."""
    risk = AGE * (age - 70) + EJECTION * (ejection - 50) + DIABETES * diabetes
    return DAILY_HAZARD * math.exp(risk) * (VALVE_V if valve == "V" else 1.0)


def success_at_horizon(population: Population, valve: Valve, *, draws: int = 200_000, seed: int = 1) -> float:
    """The true share without failure by day 365, by averaging exp(-365 hazard) over drawn people."""
    chance = random.Random(f"truth {seed}")  # noqa: S311  # a simulation, nothing secret
    total = 0.0
    for _ in range(draws):
        age, ejection, diabetes = _characteristics(population, chance)
        total += math.exp(-HORIZON * daily_hazard(age, ejection, diabetes, valve))
    return total / draws


def implant_patients(seed: int) -> tuple[ImplantPatient, ...]:
    """All two hundred, ordered by hospital and number. The same seed gives the same people."""
    chance = random.Random(f"rwd demo implants {seed}")  # noqa: S311  # must be repeatable; no secret
    identities = IdentityMaker(chance, sum(one.subjects for one in POPULATIONS.values()))
    made: list[ImplantPatient] = []
    for hospital, population in POPULATIONS.items():
        days = sorted(chance.randrange(ENROLMENT_DAYS) for _ in range(population.subjects))
        for number, day in enumerate(days, start=1):
            made.append(_patient(hospital, number, FIRST_DAY + timedelta(days=day), identities, chance))
    return tuple(made)


@dataclass(frozen=True)
class TrialAbroad:
    """What the invented trial would publish: counts, and the means and SDs of its patients."""

    subjects: int
    successes: int
    age: tuple[float, float]
    ejection: tuple[float, float]
    diabetes: float


def trial_abroad(seed: int) -> TrialAbroad:
    """Its patients are drawn like ours, with valve V, and none is lost."""
    chance = random.Random(f"rwd demo trial abroad {seed}")  # noqa: S311  # must be repeatable; no secret
    people = [_characteristics(ABROAD, chance) for _ in range(ABROAD.subjects)]
    successes = sum(chance.random() < math.exp(-HORIZON * daily_hazard(*one, "V")) for one in people)
    return TrialAbroad(
        subjects=len(people),
        successes=successes,
        age=_mean_and_sd([one[0] for one in people]),
        ejection=_mean_and_sd([one[1] for one in people]),
        diabetes=sum(one[2] for one in people) / len(people),
    )


def _mean_and_sd(values: list[int]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _characteristics(population: Population, chance: random.Random) -> tuple[int, int, bool]:
    age = min(max(round(chance.gauss(*population.age)), 40), 95)
    ejection = min(max(round(chance.gauss(*population.ejection)), 20), 75)
    return age, ejection, chance.random() < population.diabetes


def _patient(
    hospital: str, number: int, implanted: date, identities: IdentityMaker, chance: random.Random
) -> ImplantPatient:
    population = POPULATIONS[hospital]
    valve: Valve = "V" if hospital == LECHENG else "S"
    age, ejection, diabetes = _characteristics(population, chance)
    # A failure happens on a whole day from day 1 on; so does a loss.
    failure = math.ceil(chance.expovariate(daily_hazard(age, ejection, diabetes, valve)))
    lost = math.ceil(chance.expovariate(population.loss))
    last = min(failure, lost, LAST_DAY)
    failed = failure == last
    birthday = implanted - timedelta(days=chance.randrange(365))
    born = shift_years(birthday, -age)
    return ImplantPatient(
        hospital=hospital,
        number=number,
        identity=identities.make(born),
        birth_date=born,
        gender="female" if chance.random() < population.women else "male",
        valve=valve,
        implant_date=implanted,
        operator=chance.choice((1, 1, 2)),
        age=age,
        ejection=ejection,
        diabetes=diabetes,
        last_day=last,
        failed=failed,
        died=failed and chance.random() < 0.3,
    )
