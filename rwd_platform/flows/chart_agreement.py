"""A round's sample drawn again, and what the sheets that came back say of it.

What a hospital returned lies sealed beside the lock that it is of, under its own hash:
home/ledger/<lock id>.<sheet id>-<hash>
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import unseal
from rwd_platform.flows.source_verification_problems import RETURNED_DAMAGED
from rwd_platform.flows.study import dataset_in, dataset_of, frozen_protocol, lineage_of
from rwd_platform.flows.verification_rounds import returned_of
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, Study, VerificationRound

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from studies.dataset import StudyDataset
    from studies.evidence.inputs import Source, Traceable
    from studies.evidence.sample.read_sheet import Returned
    from studies.evidence.sample.rounds import ClosedRound, Verified
    from studies.evidence.sample.trace import Sample
    from studies.protocol import Protocol
    from studies.results import ResultSet


@dataclass(frozen=True)
class Traced:
    """What leads from the rows of a run to source lines (studies.evidence.inputs.Traceable)."""

    protocol: Protocol
    results: ResultSet
    lineage: pd.DataFrame
    sources: Sequence[Source]


def traced_of(platform: Platform, run: AnalysisRun, protocol: Protocol) -> Traced:
    """Also of a run that is sealed: which rows were analysed is in the clear, and nothing else of results is asked."""
    from rwd_platform.flows.evidence_inputs import sources_of, uploads_behind
    from studies.results import ResultSet

    lineage = lineage_of(platform, run)
    row_sets = json.loads((platform.layout.results / run.id / "row_sets.json").read_bytes())
    sources = sources_of(platform, uploads_behind(platform, lineage))
    return Traced(protocol, ResultSet.from_dict(run.results, row_sets), lineage, sources)


def sample_for(platform: Platform, round: VerificationRound) -> Sample:
    """The rows of a round, drawn again by its own policy and day.

    Raises what stops any use of its lock (`withdrawal.lock_frozen`, `.lock_reissued`) or of the protocol.
    """
    return drawn_for(platform, round)[0]


def drawn_for(platform: Platform, round: VerificationRound) -> tuple[Sample, str]:
    """As `sample_for`, and the first day on which everybody who could be drawn had begun (sample.days.first_day)."""
    from rwd_platform.store.lock import open_lock
    from studies.evidence.sample.days import first_day
    from studies.evidence.sample.policy import read_policy
    from studies.evidence.sample.trace import sample_of

    check_lock_usable(platform, round.lock_id)
    study = platform.records.get(Study, round.study_id)
    protocol = frozen_protocol(platform, study)
    traced = traced_of(platform, platform.records.get(AnalysisRun, round.run_id), protocol)
    opened = open_lock(platform.layout.lock(round.lock_id))
    dataset = dataset_in(opened, protocol)
    sample = sample_of(traced, dataset, chosen=read_policy(round.policy), known_until=round.known_until)
    return sample, first_day(opened.tables, dataset)


def agreement_for(platform: Platform, study: Study, run: AnalysisRun) -> Verified | None:
    """Of the rows of this run's lock; None where no sheet came back. It tells outcomes: ask check_unsealed first."""
    returned = returned_of(platform, run.lock_id)
    if returned is None:
        return None
    check_lock_usable(platform, run.lock_id)
    traced = traced_of(platform, run, frozen_protocol(platform, study))
    dataset = dataset_of(platform, study, platform.records.get(DataLockRecord, run.lock_id))
    return verified_in(platform, returned, traced, dataset)


def verified_in(
    platform: Platform, returned: Mapping[str, Any], traced: Traceable, dataset: StudyDataset
) -> Verified:
    """The agreement of exactly the sheets that `returned_of` named. Raises `verification.returned_damaged`."""
    from studies.evidence.sample.policy import read_policy
    from studies.evidence.sample.rounds import OpenRound, Verified

    open_round, waits = None, returned["open"]
    if waits is not None:
        text = platform.records.get(VerificationRound, waits["round"]).policy
        open_round = OpenRound(
            waits["number"], waits["known_until"], read_policy(text), waits["issued"], waits["returned"]
        )
    closed = tuple(_closed(platform, one, traced, dataset) for one in returned["rounds"])
    return Verified(closed, open_round)


def _closed(
    platform: Platform, one: Mapping[str, Any], traced: Traceable, dataset: StudyDataset
) -> ClosedRound:
    from studies.evidence.sample.agreement import SheetUsed, agreement
    from studies.evidence.sample.policy import read_policy
    from studies.evidence.sample.rounds import ClosedRound
    from studies.evidence.sample.trace import sample_of

    round = platform.records.get(VerificationRound, one["round"])
    policy = read_policy(round.policy)
    sample = sample_of(traced, dataset, chosen=policy, known_until=round.known_until)
    sheets = [_read(platform, round, sample, each) for each in one["sheets"]]
    can_be_read = [each for each in sheets if each is not None]
    return ClosedRound(
        number=one["number"],
        known_until=round.known_until,
        policy=policy,
        closed_because=one["closed_because"],
        sheets=tuple(SheetUsed(**each) for each in one["sheets"]),
        outstanding=tuple(one["outstanding"]),
        agreement=agreement(sample, can_be_read) if len(can_be_read) == len(sheets) else None,
    )


def kept_as(sheet_id: str, sha256: str) -> str:
    """Under which kind the bytes lie beside the lock: of each content its own, so that a replacement is whole."""
    return f"{sheet_id}-{sha256[:16]}"


def _read(
    platform: Platform, round: VerificationRound, sample: Sample, one: Mapping[str, str]
) -> Returned | None:
    """None: it was read without a problem when it came, and what it is read against is another now.

    A package then says so. To stop there would leave a study without any: a closed round takes no other sheet.
    """
    from studies.evidence.sample.read_sheet import read_sheet

    content = unseal(platform, round.lock_id, kept_as(one["sheet"], one["sha256"]))
    if content is None or sha256_hex(content) != one["sha256"]:
        raise RETURNED_DAMAGED.error(sheet=one["sheet"])
    try:
        found = read_sheet(content, sample, one["hospital"])
    except PlatformError:
        return None
    return found if found.accepted and found.sheet == one["sheet"] else None
