"""study unseal and study unseal-vote: two people, each under an account of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.deployment import person
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from rwd_platform.records.tables import UnsealingRequest


def ask(
    study_id: Annotated[str, typer.Argument(help="研究编号 · study id")],
    reason: Annotated[str, typer.Option("--reason")],
    knowledge: Annotated[
        str,
        typer.Option("--knowledge", help="对结局的了解 · known of the outcomes: none | registered | seen"),
    ],
    login: Login,
    seen: Annotated[str, typer.Option("--seen", help="看到了什么 · what was seen, when and where")] = "",
    as_json: Json = False,
) -> int:
    """Prints the request and the diagnostics that the second person has to look at."""
    from rwd_platform.flows.unseal_results import Knowledge, request_unsealing

    with person(login) as (platform, requester):
        asked = request_unsealing(platform, requester, study_id, reason, Knowledge(knowledge, seen))
    _tell(asked, as_json)
    return Exit.YES


def cast_vote(
    request_id: Annotated[str, typer.Argument(help="申请编号 · the request")],
    agree: Annotated[bool, typer.Option("--agree/--refuse")],
    reason: Annotated[str, typer.Option("--reason")],
    login: Login,
    as_json: Json = False,
) -> int:
    """Agreed, the results are open from now on; refused, they stay sealed. Exit 0 whenever the word was taken."""
    from rwd_platform.flows.unseal_results import decide_unsealing

    with person(login) as (platform, voter):
        asked = decide_unsealing(platform, voter, request_id, agree, reason)
    _tell(asked, as_json)
    return Exit.YES


def _tell(asked: UnsealingRequest, as_json: bool) -> None:
    if as_json:
        answer(
            {
                "id": asked.id,
                "study": asked.study_id,
                "run": asked.run_id,
                "state": asked.state,
                "knowledge": asked.knowledge,
                "seen": asked.seen,
                "seen_before": asked.seen_before,
                "diagnostics": asked.diagnostics,
            }
        )
    say(f"{asked.id}  {asked.state}  {asked.study_id}  {asked.run_id}  {asked.knowledge}")
    if asked.seen_before:
        say(
            f"本研究的结局曾于 {asked.seen_before} 揭示 · outcomes of this study were seen on {asked.seen_before}"
        )
    if not asked.diagnostics:
        say("方案没有规定诊断 · the protocol plans no diagnostics")
    for one in asked.diagnostics:
        say(f"  {one['analysis']}: {one['reason'] or one['rows']}")
        for warning in one["warnings"]:
            say(f"    ! {warning}")
