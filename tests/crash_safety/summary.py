"""What a run of kills found, as a table: one row a stage, and only what was really killed is counted as a kill."""

from __future__ import annotations

from collections.abc import Sequence

from tests.crash_safety.killing import Trial

_HEAD = (
    "stage",
    "killed",
    "at a step",
    "at a time",
    "state before",
    "state after",
    "of which gone on with",
    "between",
    "orphans",
    "other findings",
    "ended before its moment",
)


def counts(stage: str, trials: Sequence[Trial]) -> tuple[str | int, ...]:
    """One row, in the order of the head."""
    killed = [one for one in trials if one.killed]
    wrong = [text for one in trials for text in one.wrong]
    orphans = [text for text in wrong if text.startswith(("orphan:", "mark:", "identified value"))]
    between = sum(one.stands == "between" for one in trials)
    return (
        stage,
        len(killed),
        sum(one.moment.step is not None for one in killed),
        sum(one.moment.share is not None for one in killed),
        sum(one.stands == "before" for one in killed),
        sum(one.stands == "after" for one in killed),
        sum(one.gone_on for one in killed),
        between,
        len(orphans),
        len(wrong) - len(orphans) - between,
        len(trials) - len(killed),
    )


def table(by_stage: dict[str, list[Trial]]) -> str:
    """Markdown."""
    rows = [counts(stage, trials) for stage, trials in by_stage.items()]
    rows.append(("all", *(sum(int(row[at]) for row in rows) for at in range(1, len(_HEAD)))))
    lines = [_HEAD, ("---",) * len(_HEAD), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
