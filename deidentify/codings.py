"""Codings and quantities, of which a part may go without the rest: what must then go with it, and what may stay.

coding      of several codings of one concept those that may not stay are dropped, if another is good. A code that
            names no system and does not tell its own goes; what is left of the concept says `masked`. Where nothing
            is left of what the resource is about (its code, medicine or vaccine), it is quarantined.
label       security labels and tags mean different things, so a faulty one keeps the resource out.
quantity    a number without its unit misleads. Where no code stays, the unit in words does, if it is one
            (unit_texts.py); if it is none, the number goes too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deidentify.kept_texts import (
    CODING,
    IDENTIFIER_IN_CODE,
    LABEL,
    UNFIT_CODE,
    UNIT,
    UNLIKELY_CODE,
)
from deidentify.labels import MASKED, masked
from deidentify.transforms import NOTHING, Pass, Step
from deidentify.unit_texts import is_unit_text

Copy = Callable[[dict[str, Any], Pass], dict[str, Any]]

_LABELS = (".meta.security", ".meta.tag")
# What a resource, or a component, is about: the element that says it, and that each of them must have.
_SUBJECT_MATTER = frozenset({"code", "vaccineCode", "medicationCodeableConcept", "itemCodeableConcept"})


def kind_of_code(path: str, tree: Mapping[str, Any]) -> str:
    """What the `code` below an element says: a unit's, a label's, or that of a coding."""
    if "value" in tree:
        return UNIT
    return LABEL if path.endswith(_LABELS) else CODING


def codings_step(copy: Copy, path: str) -> Step:
    """The step for an element of type Coding, one or several."""
    is_label = path.endswith(_LABELS)
    *above, last = path.split(".")
    concept = above[-1] if last == "coding" else last
    must_stay = concept in _SUBJECT_MATTER

    def step(value: Any, run: Pass) -> Any:
        several = value if type(value) is list else [value]
        kept: list[dict[str, Any]] = []
        faults: list[tuple[str, str]] = []
        lost = False
        for one in several:
            if type(one) is not dict:
                run.dropped.add(path)
                continue
            before = run.fault
            made = copy(one, run)
            if run.fault is not before and run.fault is not None:
                faults.append(run.fault)
                run.fault = before
            elif "code" in one and "code" not in made:
                lost = True
            else:
                kept.append(made)
        if faults and run.fault is None:
            good = not is_label and any("code" in made for made in kept)
            run.fault = _gravest(faults, good)
            run.dropped.add(path)
        if lost and not kept and not is_label:
            if must_stay and run.fault is None:
                run.fault = (UNFIT_CODE, f"{path}.code")
            run.labels.add(MASKED)
        if type(value) is list:
            return kept or NOTHING
        return kept[0] if kept else (masked() if lost else NOTHING)

    return step


def _gravest(faults: list[tuple[str, str]], good: bool) -> tuple[str, str] | None:
    """What keeps the resource out: a person's number always, anything else where no other coding is good."""
    numbers = [fault for fault in faults if fault[0] == IDENTIFIER_IN_CODE]
    return next(iter(numbers or ([] if good else faults)), None)


def quantities_copy(copy: Copy, path: str) -> Copy:
    """The copy of a quantity: with its code, or the unit in words, or without its number."""
    unfit = {(UNFIT_CODE, f"{path}.code"), (UNLIKELY_CODE, f"{path}.code")}

    def quantity(one: dict[str, Any], run: Pass) -> dict[str, Any]:
        before = run.fault
        made = copy(one, run)
        code, unit = one.get("code"), one.get("unit")
        if run.fault is not before and run.fault in unfit and type(code) is str and is_unit_text(code):
            run.fault = before
            made.pop("code", None)
            made.pop("system", None)
            run.dropped.add(f"{path}.code")
        if "code" in made or "value" not in made or (code is None and unit is None):
            if unit is not None:
                run.dropped.add(f"{path}.unit")
            return made
        for text in (unit, code):
            if type(text) is str and is_unit_text(text):
                made["unit"] = text.strip()
                return made
        run.dropped.add(f"{path}.value")
        if unit is not None:
            run.dropped.add(f"{path}.unit")
        run.labels.add(MASKED)
        return masked()

    return quantity
