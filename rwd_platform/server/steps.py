"""Starting the long steps of a study as jobs, from a page or from the API.

A job's key says what it would produce, so that a double click queues it once. A step whose turn has not come is
refused here, by the conditions that its flow begins with: nobody waits for a job that can only fail. The refusal
stands in the log; the flow looks again when the job runs.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.flows.dossier_inputs import Wanted, basis_of, ordered, words_of
from rwd_platform.flows.free_text import NOT_PLANNED
from rwd_platform.flows.jobs import enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed_results import check_unsealed
from rwd_platform.flows.source_verification import check_draw
from rwd_platform.flows.study import OUTCOMES_SEALED, newest_lock, newest_run
from rwd_platform.flows.verification_rounds import RoundSeen
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.records.lifecycles import STUDY, JobState, StudyState, check_transition
from rwd_platform.records.tables import Job, Study
from rwd_platform.server import free_texts, protocols, queries
from rwd_platform.server.deps import Visitor


def start_quality(platform: Platform, visitor: Visitor) -> Job:
    newest = queries.quality_runs(platform.records, limit=1)
    after = newest[0].id if newest else "first"
    return enqueue(platform, visitor.actor, "quality", {}, key=f"quality/{after}")


def start_lock(platform: Platform, visitor: Visitor, study: Study) -> Job:
    """Raises `study.outcomes_sealed` before the protocol is frozen."""
    with refusals_recorded(platform.records, visitor.actor, "study.lock", "study", study.id):
        if study.state == StudyState.REGISTERED:
            raise OUTCOMES_SEALED.error(study=study.id)
        check_transition(STUDY, "study", study.id, StudyState(study.state), StudyState.LOCKED)
    made = len(queries.locks(platform.records, study.id))
    return _start(platform, visitor, study, "lock", {}, f"{made}")


def start_run(platform: Platform, visitor: Visitor, study: Study) -> Job:
    """Raises `study.not_locked` before there is a lock, `withdrawal.lock_frozen` for one that may not be used."""
    with refusals_recorded(platform.records, visitor.actor, "study.run", "study", study.id):
        check_lock_usable(platform, newest_lock(platform, study).id)
        check_transition(STUDY, "study", study.id, StudyState(study.state), StudyState.ANALYSED)
    made = len(queries.runs(platform.records, study.id))
    return _start(platform, visitor, study, "run", {}, f"{made}")


def start_assemble(platform: Platform, visitor: Visitor, study: Study, wanted: Wanted) -> Job:
    """Raises `study.not_analysed` before there are results, `study.results_sealed` before they are unsealed,
    `evidence.choice_unknown` and its like for a choice that there is not, `submission.private_key_given` and its like
    for a certificate that is none, and `withdrawal.lock_frozen` where the lock of the results may not be used.
    """
    return _start_dossier(platform, visitor, study, "assemble", wanted)


def start_dossier_check(platform: Platform, visitor: Visitor, study: Study, wanted: Wanted) -> Job:
    """What a package would lack. Raises as `start_assemble` does."""
    return _start_dossier(platform, visitor, study, "check_dossier", wanted)


def _start_dossier(platform: Platform, visitor: Visitor, study: Study, kind: str, wanted: Wanted) -> Job:
    """Its key names what was written by then: new words are worth another job, and so is asking again when the last
    one is done. What waits or failed is queued once. Of what was given as a certificate it alone gets into the job.
    """
    with refusals_recorded(platform.records, visitor.actor, "package.assemble", "study", study.id):
        chosen = ordered(protocols.product(study.protocol), wanted, platform.clock())
        run = newest_run(platform, study)
        check_lock_usable(platform, run.lock_id)
        check_unsealed(run)
    basis = basis_of(run, chosen, words_of(platform, study, run))
    made = f"{run.id}/{wanted.purpose}/{wanted.audience}/{basis[:16]}"
    done = queries.jobs_with_key(platform.records, _key(study, kind, made))
    again = sum(job.state == JobState.DONE for job in done)
    return _start(platform, visitor, study, kind, asdict(chosen.wanted), f"{made}/{again}" if again else made)


def start_draw(platform: Platform, visitor: Visitor, study: Study, known_until: str) -> Job | RoundSeen:
    """Rows for source verification; the round itself where it is there already. Raises as `draw_round` does."""
    with refusals_recorded(platform.records, visitor.actor, "verification.draw", "study", study.id):
        existing, run = check_draw(platform, study, known_until)
    if existing is not None:
        return existing
    makes = f"{run.lock_id}/{known_until}"
    return _start(platform, visitor, study, "draw_rows", {"known_until": known_until}, makes)


def start_texts(platform: Platform, visitor: Visitor, study: Study) -> Job:
    """Raises `study.not_locked`, and `text.not_planned` for a protocol that does not plan to use texts."""
    with refusals_recorded(platform.records, visitor.actor, "text.prepare", "study", study.id):
        if not protocols.plans_texts(study.protocol):
            raise NOT_PLANNED.error(study=study.id)
        lock = newest_lock(platform, study)
    made = len(free_texts.preparations(platform, lock))
    return _start(platform, visitor, study, "texts", {}, f"{lock.id}/{made}")


def _start(
    platform: Platform, visitor: Visitor, study: Study, kind: str, payload: dict[str, Any], makes: str
) -> Job:
    payload = {"study_id": study.id, **payload}
    return enqueue(platform, visitor.actor, kind, payload, key=_key(study, kind, makes))


def _key(study: Study, kind: str, makes: str) -> str:
    return f"study/{study.id}/{kind}/{makes}"
