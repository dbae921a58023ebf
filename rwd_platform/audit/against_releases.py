"""Do releases and the officers' votes say what the log says of them?

A release is where the newest entry that moves it put it, of that content and to that recipient; a row that was put in
or moved on behind the log opens a door for what nobody approved. A vote is the one that its officer gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session

from rwd_platform.audit.findings import Findings
from rwd_platform.audit.logged_acts import Against, LoggedAct, keys_of, load, logged_acts, unlogged
from rwd_platform.records.changes import hash_of_row
from rwd_platform.records.lifecycles import ReleaseState
from rwd_platform.records.tables import OutputRelease, ReleaseVote

RELEASED, RECALLED, HELD = "release.released", "release.recalled", "release.held"
VOTED = "release.voted"
APPROVED, RETURNED, VOTED_DOWN = "release.approved", "release.returned", "release.voted_down"
REFUSED, WITHDRAWN = "release.refused", "release.withdrawn"
MOVES: Mapping[str, ReleaseState] = {
    "release.requested": ReleaseState.REQUESTED,
    APPROVED: ReleaseState.APPROVED,
    RETURNED: ReleaseState.RETURNED,
    VOTED_DOWN: ReleaseState.REFUSED,
    REFUSED: ReleaseState.REFUSED,
    WITHDRAWN: ReleaseState.WITHDRAWN,
    RELEASED: ReleaseState.RELEASED,
    RECALLED: ReleaseState.RECALLED,
}
_BY_STATE = {state: action for action, state in MOVES.items()}
_VOTES = frozenset({VOTED, APPROVED, RETURNED, VOTED_DOWN})
_WORDS = {True: "approve", False: "refuse"}  # of votes from before there were three


def compare_releases(session: Session, findings: Findings) -> None:
    acts = list(logged_acts(session, {*MOVES, HELD, *_VOTES}))
    _compare_states(session, acts, findings)
    _compare_votes(session, [act for act in acts if act.action in _VOTES], findings)


def _compare_states(session: Session, acts: Iterable[LoggedAct], findings: Findings) -> None:
    moved: dict[str, LoggedAct] = {}
    judged: dict[str, LoggedAct] = {}  # the check may have been made again without moving it
    for act in acts:
        judged[act.id] = act
        if act.action in MOVES:
            moved[act.id] = act
    for id, act in moved.items():
        against = Against(findings, f"output_release {id}", act.sequence)
        row = load(session, OutputRelease, id, against)
        if row is not None:
            _compare_release(row, act, judged[id], against)
    for id in keys_of(session, OutputRelease.id):
        if id not in moved:
            unlogged(findings, f"output_release {id}", _entry_due(session, id))


def _compare_release(row: OutputRelease, moved: LoggedAct, judged: LoggedAct, against: Against) -> None:
    kind, _, circle = moved.purpose.partition(", ")
    verdict = row.verdict.get("outcome", "") if isinstance(row.verdict, dict) else None
    against.holds("state", row.state, str(MOVES[moved.action]))
    against.holds("content_sha256", row.content_sha256, moved.version)
    against.holds("recipient_kind", row.recipient_kind, kind)
    against.holds("circle", row.circle, circle)
    against.holds("package_id", row.package_id, moved.decision.get("package", row.package_id))
    against.holds("verdict", verdict, judged.decision.get("outcome", verdict))


def _entry_due(session: Session, id: str) -> str:
    """The action of the entry that a row in its state would have."""
    try:
        row = session.get(OutputRelease, id)
        state = ReleaseState(row.state) if row is not None else ReleaseState.REQUESTED
    except (ValueError, TypeError):
        state = ReleaseState.REQUESTED
    return _BY_STATE[state]


# -- votes -------------------------------------------------------------------------------------------------------


def _compare_votes(session: Session, acts: Sequence[LoggedAct], findings: Findings) -> None:
    cast = {(act.id, act.actor): act for act in acts}
    told = {
        (act.id, str(one.get("officer", ""))): (act, one)
        for act in acts
        for one in act.decision.get("votes", ())
        if isinstance(one, Mapping)
    }
    for key, act in cast.items():
        against = Against(findings, _vote(*key), act.sequence)
        row = load(session, ReleaseVote, key, against)
        if row is not None:
            _compare_vote(row, act, against)
            if key in told:
                decided, said = told[key]
                _compare_word(row, said, Against(findings, _vote(*key), decided.sequence))
    for key in keys_of(session, ReleaseVote.release_id, ReleaseVote.approver_id):
        if tuple(key) not in cast:
            unlogged(findings, _vote(*key), VOTED)


def _vote(release_id: str, officer: str) -> str:
    return f"release_vote {release_id}/{officer}"


def _compare_vote(row: ReleaseVote, act: LoggedAct, against: Against) -> None:
    """An undecided vote is secret, so its entry says nothing of it but the hash of the row that it wrote."""
    against.holds("approved", row.approved, _word_of(row) == _WORDS[True])
    if act.action == VOTED and act.new_hash:
        against.holds("word, objections, reason", hash_of_row(row), act.new_hash)
    elif act.action != VOTED and act.reason:
        against.holds("reason", row.reason, act.reason)


def _compare_word(row: ReleaseVote, said: Mapping[str, object], against: Against) -> None:
    against.holds("word", _word_of(row), str(said.get("word", "")))
    if isinstance(row.objections, dict):
        against.holds("objections", len(row.objections), said.get("objections", len(row.objections)))


def _word_of(row: ReleaseVote) -> str:
    return row.word or _WORDS[row.approved]
