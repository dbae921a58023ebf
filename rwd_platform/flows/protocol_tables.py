"""Which tables of the lake a protocol reads, wherever it names them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from rwd_platform.flows.safety_tables import plans_safety

if TYPE_CHECKING:
    from studies.protocol import Protocol

# Tables that are derived and have no rules of their own: the stored ones that they are computed from.
_BEHIND = {"device_use": ("device", "device_exposure")}


def tables_read(protocol: Protocol) -> frozenset[str]:
    """The patient's table, every one that the cohort, the exposure, the outcome, a covariate or a rule names, and that
    of adverse events where safety is planned.

    A cohort in the cohort language also reads observation periods: nobody is in it outside of theirs.
    """
    from studies.cohorts.tables import load_model
    from studies.protocol import DefinedCohort
    from studies.protocol_definition import MODEL
    from studies.tables import ADVERSE_EVENT_TABLE

    named = {"patient", *records_in(protocol)}
    if plans_safety(protocol):
        named.add(ADVERSE_EVENT_TABLE)
    if isinstance(protocol.cohort, DefinedCohort):
        model = load_model(MODEL)
        named |= {model.table(events.table).source for events in protocol.cohort.definition.all_events()}
        named.add(model.observation[0])
    return frozenset(stored for name in named for stored in _BEHIND.get(name, (name,)))


def records_in(part: Any) -> Iterator[str]:
    """The tables of all `Records`, however deep."""
    from studies.protocol import Records

    if isinstance(part, Records):
        yield part.table
    elif is_dataclass(part):
        for field in fields(part):
            yield from records_in(getattr(part, field.name))
    elif isinstance(part, list | tuple):
        for one in part:
            yield from records_in(one)
