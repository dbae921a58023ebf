"""Which rows are verified. The rule can be repeated by hand with any program that knows SHA-256.

1. A row's rank is SHA-256 of "<protocol sha256>|<lock id>|<ordinal>" in lower-case hex. The protocol is frozen before
   the lock is made and the lock's id comes from its content, so nobody can choose who is drawn.
2. Rows per hospital: all where there are no more than `least`; the rest of `total` is shared out by the square root of
   the hospitals' rows, each between `least` and its own rows, whole numbers by largest remainders.
3. The first n rows of a hospital by rank are drawn.
4. Where fewer than `events` of them had the outcome's event, the next rows by rank that had it are drawn as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from rwd_platform.core.canonical import sha256_hex
from studies.evidence.sample.policy import Policy

Chosen = Literal["rank", "event"]


@dataclass(frozen=True)
class Candidate:
    """A row that may be drawn: its ordinal in the package, who sent it, and whether it had the outcome's event."""

    row: int
    hospital: str
    event: bool


@dataclass(frozen=True)
class Drawn:
    """
    place       -- from 1 within the hospital, in the order of ordinals: it tells nothing of why a row was drawn
    rank        -- SHA-256, hex
    chosen      -- "rank": among the first n; "event": added so that enough events are verified
    probability -- of being drawn, before the hashes were known
    """

    row: int
    hospital: str
    place: int
    event: bool
    rank: str
    chosen: Chosen
    probability: float


@dataclass(frozen=True)
class HospitalDraw:
    """`by_rank` rows were to be drawn of `rows`, of which `events` had the event; `added` came for their event.

    The probabilities are None where there is no such row.
    """

    hospital: str
    rows: int
    events: int
    by_rank: int
    added: int
    drawn: int
    drawn_events: int
    probability_event: float | None
    probability_other: float | None


@dataclass(frozen=True)
class Draw:
    """`rows` by hospital and place; `seed` is what stands in front of the ordinal."""

    seed: str
    rows: tuple[Drawn, ...]
    hospitals: tuple[HospitalDraw, ...]


def seed_of(protocol_sha256: str, lock_id: str) -> str:
    return f"{protocol_sha256}|{lock_id}|"


def rank_of(seed: str, row: int) -> str:
    return sha256_hex(f"{seed}{row}".encode())


def draw(candidates: Iterable[Candidate], seed: str, policy: Policy) -> Draw:
    """The sample. The order of the candidates does not matter; a row twice is a fault of the caller (ValueError)."""
    by_hospital: dict[str, list[Candidate]] = {}
    seen: set[int] = set()
    for one in candidates:
        if one.row in seen:
            raise ValueError("a row is a candidate twice")
        seen.add(one.row)
        by_hospital.setdefault(one.hospital, []).append(one)
    sizes = allocation({name: len(rows) for name, rows in by_hospital.items()}, policy)
    rows: list[Drawn] = []
    hospitals = []
    for name in sorted(by_hospital):
        mine, account = _of_hospital(by_hospital[name], sizes[name], seed, policy.events)
        rows += mine
        hospitals.append(account)
    return Draw(seed, tuple(rows), tuple(hospitals))


def allocation(rows: Mapping[str, int], policy: Policy) -> dict[str, int]:
    """How many rows of each hospital are drawn by rank. Minimums come first, then the hospitals' own rows cap."""
    fixed = {name: count for name, count in rows.items() if count <= policy.least}
    open_names = sorted(set(rows) - set(fixed))
    while open_names:
        left = policy.total - sum(fixed.values())
        roots = {name: math.sqrt(rows[name]) for name in open_names}
        whole = math.fsum(roots.values())
        shares = {name: left * roots[name] / whole for name in open_names}
        settled = {name: policy.least for name in open_names if shares[name] < policy.least}
        settled = settled or {name: rows[name] for name in open_names if shares[name] > rows[name]}
        if not settled:
            return fixed | _whole_numbers(shares, left)
        fixed |= settled
        open_names = [name for name in open_names if name not in settled]
    return fixed


def _whole_numbers(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Largest remainders; of equal ones the first by name."""
    floors = {name: math.floor(share) for name, share in shares.items()}
    missing = total - sum(floors.values())
    first = sorted(shares, key=lambda name: (floors[name] - shares[name], name))[:missing]
    return {name: floors[name] + (name in first) for name in shares}


def _of_hospital(
    candidates: list[Candidate], size: int, seed: str, events: int
) -> tuple[list[Drawn], HospitalDraw]:
    ranked = sorted(((rank_of(seed, one.row), one) for one in candidates), key=lambda pair: pair[0])
    first, rest = ranked[:size], ranked[size:]
    short = max(0, events - sum(one.event for _, one in first))
    added = [(rank, one) for rank, one in rest if one.event][:short]
    all_events = sum(one.event for one in candidates)
    of_event, of_other = probabilities(len(candidates), all_events, size, events)
    chosen: list[tuple[str, Candidate, Chosen]] = [(rank, one, "rank") for rank, one in first]
    chosen += [(rank, one, "event") for rank, one in added]
    chosen.sort(key=lambda each: each[1].row)
    rows = [
        Drawn(one.row, one.hospital, place, one.event, rank, why, float(of_event if one.event else of_other))
        for place, (rank, one, why) in enumerate(chosen, start=1)
    ]
    counts = Counter(one.event for one in rows)
    others = len(candidates) - all_events
    account = HospitalDraw(
        hospital=candidates[0].hospital,
        rows=len(candidates),
        events=all_events,
        by_rank=size,
        added=len(added),
        drawn=len(rows),
        drawn_events=counts[True],
        probability_event=float(of_event) if all_events else None,
        probability_other=float(of_other) if others else None,
    )
    return rows, account


def probabilities(rows: int, events: int, size: int, least_events: int) -> tuple[Fraction, Fraction]:
    """The probability of being drawn, of a row with the event and of one without.

    Without: size / rows. With: the number H of events among the first `size` is hypergeometric, and max(H, k) of
    `events` rows are drawn, k = min(least_events, events); so E max(H, k) / events. Exact fractions.
    """
    other = Fraction(size, rows)
    if not events:
        return other, other
    wanted = min(least_events, events)
    ways = math.comb(rows, size)
    expected = Fraction(size * events, rows)
    for seen in range(max(0, size - (rows - events)), min(wanted, size + 1)):
        chance = Fraction(math.comb(events, seen) * math.comb(rows - events, size - seen), ways)
        expected += (wanted - seen) * chance
    return expected / events, other
