"""A package's results from its data lock, once more, and by this platform's own code: what in the package differs.

Of an aggregate edition it is decided anew what may be told: the package's own list of what it withholds is held to that
like everything else, and excuses nothing. `rerun.py` in the package cannot do this: it travels without that code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rwd_platform.core.errors import Problem
from studies.evidence.documents import ATTRITION_CSV, ATTRITION_JSON, attrition_csv, json_bytes
from studies.evidence.templates import verify as standalone
from studies.evidence.templates.rerun import compare, has_shape

if TYPE_CHECKING:
    from studies.attrition import AttritionStep
    from studies.dataset import StudyDataset
    from studies.protocol import Protocol

COARSENING = f"{standalone.PACKAGE_JSON} coarsening"
LOCK_OF_ANOTHER = Problem(
    code="verify.lock_of_another",
    zh="数据锁定 {lock} 不是该证据包所依据的锁定 {wanted}。",
    en="The data lock {lock} is not the one that the package rests on, {wanted}.",
    next_zh="请给出证据包中注明的数据锁定目录。",
    next_en="Give the folder of the lock that the package names.",
)


@dataclass(frozen=True)
class Recomputed:
    """
    whole     -- all results of the lock, as ard.json would hold them
    told      -- of these what an edition of this kind tells; of an authority's all
    attrition -- the steps that it tells
    account   -- what it has to say of the rest; None where nothing is withheld
    """

    whole: Mapping[str, Any]
    told: Mapping[str, Any]
    attrition: tuple[AttritionStep, ...]
    account: Mapping[str, Any] | None

    @property
    def withheld(self) -> int:
        """Rows that the lock gives and the edition does not tell."""
        return len(self.whole["rows"]) - len(self.told["rows"])


def is_aggregate(members: Mapping[str, bytes]) -> bool:
    return bool(json.loads(members[standalone.PACKAGE_JSON]).get("audience") == "aggregate")


def recompute(members: Mapping[str, bytes], lock: Path) -> Recomputed:
    """Raises for a lock that is damaged, or not the package's; and what reading a package without its shape raises."""
    from studies.evidence.aggregate import smallest_cell_of, told_abroad
    from studies.evidence.profiles.profile import profile
    from studies.run import run_analyses

    described = json.loads(members[standalone.PACKAGE_JSON])
    protocol, dataset = _read(members, lock)
    results = run_analyses(dataset, protocol, described["lock_id"])
    whole = _as_stored(results.as_dict())
    if not is_aggregate(members):
        return Recomputed(whole, whole, dataset.attrition, None)
    purpose = profile(str(described["profile"])) if "profile" in described else None
    found = told_abroad(results, protocol, dataset.attrition, smallest_cell_of(protocol, purpose))
    return Recomputed(whole, _as_stored(found.results.as_dict()), found.attrition, found.account)


def _read(members: Mapping[str, bytes], lock: Path) -> tuple[Protocol, StudyDataset]:
    """The package's protocol, and the rows of the lock that it names; every file of the lock is checked first."""
    from rwd_platform.flows.study import dataset_in
    from rwd_platform.store.lock import open_lock
    from studies.protocol import load_protocol

    wanted, opened = json.loads(members[standalone.PACKAGE_JSON])["lock_id"], open_lock(lock)
    if opened.id != wanted:
        raise LOCK_OF_ANOTHER.error(lock=opened.id, wanted=wanted)
    protocol = load_protocol(members.get(standalone.PROTOCOL_YAML, b"").decode("utf-8"))
    return protocol, dataset_in(opened, protocol)


def differing(members: Mapping[str, bytes], again: Recomputed) -> Iterator[str]:
    """What in the package is not what the lock gives: ids of rows, `series: ID`, `not_done: ID`, files.

    Results without the shape of results are named as the file that they are.
    """
    stored = json.loads(members[standalone.ARD_JSON])
    if has_shape(stored):
        compared = compare(stored, dict(again.told))
        yield from (*compared.rows, *compared.others)
    else:
        yield standalone.ARD_JSON
    described = json.loads(members[standalone.PACKAGE_JSON])
    if described.get("coarsening") != (None if again.account is None else _as_stored(again.account)):
        yield COARSENING
    yield from _steps_apart(members, again.attrition)


def differing_steps(members: Mapping[str, bytes], lock: Path) -> Iterator[str]:
    """As `differing`, without the analyses: for an edition that `rerun.py` compares whole. Raises as `recompute`."""
    yield from _steps_apart(members, _read(members, lock)[1].attrition)


def _steps_apart(members: Mapping[str, bytes], steps: tuple[AttritionStep, ...]) -> Iterator[str]:
    if _steps(members) != _as_stored({"steps": list(steps)})["steps"]:
        yield ATTRITION_JSON
    if members.get(ATTRITION_CSV) != attrition_csv(steps):
        yield ATTRITION_CSV


def _steps(members: Mapping[str, bytes]) -> Any:
    try:
        return json.loads(members[ATTRITION_JSON])["steps"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _as_stored(document: Mapping[str, Any]) -> dict[str, Any]:
    """As it reads when it has been written: tuples are lists then."""
    found: dict[str, Any] = json.loads(json_bytes(dict(document)))
    return found
