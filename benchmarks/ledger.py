"""What a transfer costs: the decision, and counting its persons against a year's ledger.

    ./run bench ledger                       a million persons on the ledger, a transfer of 10,000
    RWD_BENCH_PERSONS=1e5 ./run bench ledger

The year is a hundred releases of equal size, posted through the product's own code into a new SQLite database with
synchronous=FULL. Reserving and posting are two transactions, as they are for a release: each opens every sealed set of
the year, counts distinct persons exactly, decides, writes the provision, the sealed set and the log's entry. Half of
the transfer's persons went before. Beside it, as a measure of the machine: one pass of SHA-256 over the year's bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rwd_platform.compliance.person_sets import PersonSet
    from rwd_platform.flows.platform import Platform

SEED = 20261123
PERSONS = 1_000_000
RELEASES = 100
TRANSFER = 10_000
DECISIONS = 2_000
RUNS = 5


def run() -> None:
    persons = int(float(os.environ.get("RWD_BENCH_PERSONS", PERSONS)))
    found = {"decision_ms": _decision(), **_ledger(persons)}
    print(
        f"ledger: a decision takes {found['decision_ms']:.3f} ms; with {persons:,} persons on the ledger a transfer of"
        f" {TRANSFER:,} is reserved in {found['reserve_s']:.2f} s and posted in {found['post_s']:.2f} s"
        f" (SHA-256 over the year's sets: {found['sha256_s']:.3f} s)"
    )
    print(json.dumps({"ledger": found}))


def _decision() -> float:
    """Milliseconds, the median of many: a case out of the tests, with every fact there."""
    from rwd_platform.compliance.decide import decide
    from rwd_platform.compliance.rulepack import load_pack
    from rwd_platform.demo.questions import facts_of_transfer

    pack = load_pack()
    case = facts_of_transfer(on="2026-11-02", sensitive_persons=500, anonymised_and_reviewed=False)
    times = []
    for _ in range(DECISIONS):
        begun = time.perf_counter()
        decide(case, pack)
        times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2] * 1000


def _ledger(persons: int) -> dict[str, Any]:
    """Seconds, the median of some releases one after the other."""
    import numpy as np

    from rwd_platform.compliance.person_sets import PersonSet
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.settings import Settings
    from tests.flows.providing import part, put_everything

    random = np.random.default_rng(SEED)
    nobody = np.empty((0, 2), dtype=np.uint64)

    def drawn(number: int) -> PersonSet:
        return PersonSet(nobody, random.integers(0, 2**64, (number, 2), dtype=np.uint64))

    with tempfile.TemporaryDirectory(prefix="rwd-ledger-") as folder:
        platform = open_platform(Settings(home=Path(folder) / "home", demo=True))
        _register(platform)
        put_everything(platform)
        _allow_any_number(platform)
        year = [drawn(persons // RELEASES) for _ in range(RELEASES)]
        _fill(platform, year)
        reserve, post = [], []
        for number in range(RUNS):
            known = year[number].sensitive[: TRANSFER // 2]
            fresh = drawn(TRANSFER - len(known)).sensitive
            leaving = part(
                platform, RELEASES + number, persons=PersonSet(nobody, np.concatenate([known, fresh]))
            )
            reserve.append(_timed(lambda leaving=leaving: _reserve(leaving)))
            post.append(_timed(lambda leaving=leaving: _post(leaving)))
        platform.records.engine.dispose()
        raw = b"".join(one.to_bytes() for one in year)
        hashing = _timed(lambda: hashlib.sha256(raw).digest())
    middle = RUNS // 2
    return {
        "persons": persons,
        "transfer": TRANSFER,
        "reserve_s": sorted(reserve)[middle],
        "post_s": sorted(post)[middle],
        "sha256_s": hashing,
    }


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _reserve(leaving: Any) -> None:
    from rwd_platform.flows.provide import decide_provisions

    assert [one.state for one in decide_provisions(leaving)] == ["reserved"]


def _post(leaving: Any) -> None:
    from rwd_platform.flows.provide import post_provisions
    from rwd_platform.log.entry import Act, Object

    act = Act(leaving.actor, "release.released", Object("release", leaving.asked.id))
    with leaving.platform.records.transaction(audit=act) as session:
        rows = post_provisions(session, leaving)
    assert [one.state for one in rows] == ["posted"]


def _register(platform: Platform) -> None:
    from rwd_platform.demo.people import register_organisations

    register_organisations(platform)


def _allow_any_number(platform: Platform) -> None:
    """A security assessment on file: a million persons are far beyond what a contract serves."""
    from tests.flows.papers import paper
    from tests.flows.providing import HOSPITAL, put

    assessment = paper("security_assessment", HOSPITAL)
    assessment.scope = {**assessment.scope, "persons": 2_000_000_000}
    put(platform, assessment)


def _fill(platform: Platform, year: list[PersonSet]) -> None:
    """The year's releases as posted rows: posting them one by one would count the year a hundred times."""
    from rwd_platform.core.clock import as_text, shanghai_date
    from rwd_platform.flows.provision_facts import sealed_persons
    from rwd_platform.log.entry import Act, Object
    from rwd_platform.records.tables import PersonPosting, Provision
    from tests.flows.providing import ABROAD, HOSPITAL, RESEARCHER

    now = platform.clock()
    act = Act(RESEARCHER, "seed.written", Object("provision", "year"))
    with platform.records.transaction(audit=act) as session:
        for number, persons in enumerate(year):
            id = f"provision-{number}"
            session.add(
                Provision(
                    id=id, organisation_id=HOSPITAL, project_id="demo", package_id="", source="release",
                    source_id=f"year-{number}", recipient_id=ABROAD, purpose="registration", mode="file",
                    state="posted", verdict="ALLOW", year=shanghai_date(now).year,
                    facts={"crosses_border": True}, decision={}, papers={},
                    asked_by="", decided_at=as_text(now), ended_at="", ended_why="",
                )
            )  # fmt: skip
            session.flush()
            posting = PersonPosting(
                provision_id=id, organisation_id=HOSPITAL, recipient_id=ABROAD, year=shanghai_date(now).year,
                crosses_border=True, counted=True, general=0, sensitive=len(persons.sensitive),
                sealed=b"", reserved_at=as_text(now), posted_at=as_text(now),
            )  # fmt: skip
            posting.sealed = sealed_persons(platform, posting, persons)
            session.add(posting)
