"""What a transfer lacks however an open question is answered, so that nobody waits for one answer to learn of the next.

A case that says `unknown` is on hold without a list of duties (compliance/decide.py): its path is not known. Each
possible answer has a path, and some duties are missing under all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from itertools import product
from typing import Any

from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.rulepack import RulePack

# The facts that may be recorded as not known, and the answers that they will have once somebody found out.
_OPEN = {
    ("data", "important"): frozenset({"unknown", "pending"}),
    ("exporter", "ciio"): frozenset({"unknown"}),
}
_ANSWERS = ("yes", "no")


def missing_once_known(case: Mapping[str, Any], pack: RulePack) -> tuple[str, ...]:
    """Ids of the duties that are missing under every answer, sorted; empty where the case has no open question.

    `case` as of `decide`, which is asked once for each combination of answers and raises what it raises.
    """
    still_open = [place for place, words in _OPEN.items() if case[place[0]][place[1]] in words]
    if not still_open:
        return ()
    found = []
    for answers in product(_ANSWERS, repeat=len(still_open)):
        known = deepcopy(dict(case))
        for (section, key), answer in zip(still_open, answers, strict=True):
            known[section][key] = answer
        found.append(set(decide(known, pack).missing))
    return tuple(sorted(set.intersection(*found)))
