"""Who of a transfer is in the year's count already, as a person says it: three numbers, and the person keys they mean.

The rules compare persons by numbered keys (compliance/ledger.py). On a form a person says how many, so the keys are
laid out here, each set as one stretch: the general ones of the transfer, those of the year, the sensitive ones of the
transfer, those of the year, where neighbours overlap by exactly the numbers that were given.

    transfer general |------|
    year general          |---------|
    transfer sensitive            |------|
    year sensitive                     |--------|

Whoever was counted as sensitive this year counts as sensitive again, whatever is sent now: the form's hint says so,
and the two outer sets never meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwd_platform.compliance.ledger import Persons
from rwd_platform.core.errors import Problem

GENERAL, SENSITIVE_AS_GENERAL, SENSITIVE = (
    "already_counted.general",
    "already_counted.sensitive_as_general",
    "already_counted.sensitive",
)
SECTION = "already_counted"
TRANSFER, YEAR = "persons", "ledger_this_year"

ALREADY_UNFIT = Problem(
    code="transfer.already_counted_unfit",
    zh="“已计入本年累计”的人数不能成立：不能多于本次的人数，也不能多于本年累计的人数。",
    en="The numbers of persons who are in the year's count already do not fit: none can exceed the persons of this"
    " transfer, nor those of the year.",
    next_zh="请核对本次人数、本年累计和其中已计入的人数后重新判定。",
    next_en="Check the persons of this transfer, the year's count and those already in it, and ask again.",
    http=422,
)


def with_keys(case: dict[str, Any]) -> dict[str, Any]:
    """The case with person keys in the place of the section `already_counted`; unchanged where a count is no number.

    Then the rules name that count themselves. Raises `transfer.already_counted_unfit`.
    """
    said = case.pop(SECTION, {})
    counts = [case.get(ledger, {}).get(kind, {}).get("count") for ledger, kind in _SETS]
    already = [said.get(key.partition(".")[2], 0) for key in (GENERAL, SENSITIVE_AS_GENERAL, SENSITIVE)]
    if not all(_is_count(one) for one in already):
        raise ALREADY_UNFIT.error()
    numbers = [one if _is_count(one) else 0 for one in counts]
    if all(_is_count(one) for one in counts):
        _check(*numbers, *already)
    places = _places(*numbers, *already)
    for (ledger, kind), first, number in zip(_SETS, places, numbers, strict=True):
        if ledger in case and kind in case[ledger]:
            case[ledger][kind]["first_key"] = first if number else 0  # nobody needs no key
    return case


_SETS = ((TRANSFER, "general_only"), (YEAR, "general_only"), (TRANSFER, "sensitive"), (YEAR, "sensitive"))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check(sent: int, year: int, sensitive: int, year_sensitive: int, *already: int) -> None:
    of_general, as_general, as_sensitive = already
    fits = (
        of_general <= sent
        and of_general + as_general <= year
        and as_general + as_sensitive <= sensitive
        and as_sensitive <= year_sensitive
    )
    if not fits:
        raise ALREADY_UNFIT.error()


def _places(sent: int, year: int, sensitive: int, _: int, *already: int) -> tuple[int, int, int, int]:
    """The first key of each set, in the order of the drawing above."""
    of_general, as_general, as_sensitive = already
    year_at = max(sent - of_general, 0)
    sensitive_at = max(year_at + year - as_general, 0)
    return 0, year_at, sensitive_at, max(sensitive_at + sensitive - as_sensitive, 0)


def already_counted(facts: Mapping[str, Any]) -> dict[str, int]:
    """The three numbers again, out of any case's keys: the general ones include whoever the year has as sensitive."""
    try:
        sent, year, sensitive, year_sensitive = (
            Persons.of(facts[ledger][kind]["first_key"], facts[ledger][kind]["count"])
            for ledger, kind in _SETS
        )
    except (KeyError, TypeError):
        return {}
    return {
        GENERAL: (sent & (year | year_sensitive)).count,
        SENSITIVE_AS_GENERAL: (sensitive & (year - year_sensitive)).count,
        SENSITIVE: (sensitive & year_sensitive).count,
    }
