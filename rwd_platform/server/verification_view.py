"""What pages show of source verification: the agreement once results are unsealed, and what waits on a home."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.chart_agreement import agreement_for
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import readable_runs
from rwd_platform.flows.sealed_results import is_sealed
from rwd_platform.flows.verification_rounds import SheetSeen, is_waiting, sheets_of, titles_of
from rwd_platform.records.tables import Study
from rwd_platform.server import queries
from rwd_platform.server.deps import Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from studies.evidence.sample.agreement import VariableAgreement
    from studies.evidence.sample.rounds import ClosedRound

Waiting = tuple[str, Bilingual, str, Bilingual]
WHERE = "/verification-sheets"


@dataclass(frozen=True)
class Line:
    """One variable, in all hospitals (`hospital` "") or in one."""

    title: Bilingual
    found: VariableAgreement


@dataclass(frozen=True)
class RoundSeen:
    """A closed round. `computed` false: sheets came back and can no longer be read; there are no lines then."""

    number: int
    known_until: str
    closed_because: str
    computed: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class AgreementSeen:
    """
    state   -- none: nothing came back, or not for this visitor; sealed: the results are; open: what came back is of a
               round that is not closed; told
    rounds  -- every closed round from which something came back, the newest first
    waits   -- sheets came back of the round that is open: they are told once it is closed
    problem -- why there is none to show although sheets came back
    """

    state: str
    rounds: tuple[RoundSeen, ...] = ()
    waits: bool = False
    problem: PlatformError | None = None


def agreement(platform: Platform, visitor: Visitor, study: Study) -> AgreementSeen:
    """Of the newest run that the visitor may read. It tells outcomes, so it stays sealed as long as they are; and
    nobody is to choose, having seen it, whether a round is closed: an open one shows nothing.
    """
    runs = readable_runs(platform, visitor.actor, queries.runs(platform.records, study.id)[:1])
    if not runs or not visitor.may("results.read"):
        return AgreementSeen("none")
    if is_sealed(runs[0]):
        return AgreementSeen("sealed")
    verified = agreement_for(platform, study, runs[0])
    if verified is None:
        return AgreementSeen("none")
    titles = titles_of(study)
    rounds = tuple(_seen(one, titles) for one in verified.rounds)
    return AgreementSeen("told" if rounds else "open", rounds, waits=verified.open_round is not None)


def _seen(one: ClosedRound, titles: Mapping[str, Bilingual]) -> RoundSeen:
    lines = one.agreement.lines if one.agreement else ()
    return RoundSeen(
        one.number,
        one.known_until,
        one.closed_because,
        one.agreement is not None,
        tuple(
            Line(titles.get(each.variable, Bilingual(each.variable, each.variable)), each) for each in lines
        ),
    )


def agreement_or_problem(platform: Platform, visitor: Visitor, study: Study) -> AgreementSeen:
    """For a page, which shows the rest of itself all the same."""
    try:
        return agreement(platform, visitor, study)
    except PlatformError as error:
        return AgreementSeen("none", problem=error)


def as_facts(line: Line) -> dict[str, Any]:
    """Numbers as they are, reasons by name; without the table of single values, which is in the package."""
    one = line.found
    facts = asdict(one) | {"reasons": dict(one.reasons)}
    return {name: value for name, value in facts.items() if name != "table"}


def title_of(platform: Platform, one: SheetSeen) -> Bilingual:
    study = platform.records.get(Study, one.round.study_id)
    return Bilingual(study.title_zh, study.title_en)


def to_do(platform: Platform, visitor: Visitor) -> list[Waiting]:
    """Sheets that wait for the hospital's charts."""
    if not visitor.may("verification.fill"):
        return []
    waiting = [one for one in sheets_of(platform, visitor.actor) if is_waiting(one)]
    if not waiting:
        return []
    text = Bilingual(
        f"{len(waiting):,} 张源数据核查表待查阅病历并交回",
        f"Sheets of source verification to look up in your charts and return: {len(waiting):,}",
    )
    href = f"{WHERE}/{waiting[0].sheet.id}" if len(waiting) == 1 else WHERE
    return [("held", text, href, Bilingual("去核查", "Look up"))]
