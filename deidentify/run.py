"""A stream of resources through a policy: what `rwd deidentify` does between reading and writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deidentify.account import Account, DropCounter
from deidentify.genetics import genetic_fault
from deidentify.policy import Policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.quarantine import GENETIC, Quarantine, quarantine
from deidentify.scrub import Scrubbed, scrub
from deidentify.shifting import Shifts
from rwd_platform.core.json_text import dumps
from rwd_platform.core.units import Issue, Place, Resource, Unit


def deidentify_lines(
    units: Iterable[Unit],
    policy: Policy,
    pseudonyms: Pseudonymiser,
    write: Callable[[str], object],
    on_issue: Callable[[Place, Issue], object] | None = None,
    shifts: Shifts | None = None,
) -> Account:
    """Write one line of JSON (with its newline) per resource that may stay, in the order read.

    A unit that could not be read, or that validation found fault with, is rejected: a faulty resource
    is never scrubbed, since its elements may not be what they are named. `on_issue` hears why
    something was rejected or quarantined.
    """
    read = written = rejected = quarantined = 0
    drops = DropCounter()
    for unit in units:
        read += 1
        issues: tuple[Issue, ...] = unit.issues
        if unit.resource is None or issues:
            rejected += 1
        else:
            try:
                scrubbed = _scrubbed(unit.resource, policy, pseudonyms, shifts)
            except Quarantine as held:
                quarantined += 1
                issues = (held.issue,)
            else:
                drops.count(scrubbed.dropped)
                if scrubbed.resource is not None:
                    write(dumps(scrubbed.resource) + "\n")
                    written += 1
        for issue in issues if on_issue else ():
            on_issue(unit.place, issue)  # type: ignore[misc]  # mypy does not carry the test into the loop
    return Account(read, written, rejected, quarantined, drops.as_dict())


def _scrubbed(
    resource: Resource, policy: Policy, pseudonyms: Pseudonymiser, shifts: Shifts | None
) -> Scrubbed:
    """Genes and genomes take another way whatever the policy says: human genetic resources."""
    genetic = genetic_fault(resource)
    if genetic:
        raise quarantine(GENETIC, genetic)
    return scrub(resource, policy, pseudonyms, shifts)
