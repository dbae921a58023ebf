"""From a hospital's resource to one that is safe to store: start empty, copy what the policy allows.

An element that a hospital adds tomorrow leaks nothing: it shows up in `dropped` for a person to decide
about. What would change a resource's meaning if it were left out (a modifier extension, implicit rules),
a text that stays but is no code of a listed system, and a type the policy does not know put the whole
resource into quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from deidentify.labels import REDACTED, with_labels
from deidentify.policy import Policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.quarantine import MODIFIER_EXTENSION, NO_POLICY, Quarantine, quarantine
from deidentify.shifting import Shifts
from deidentify.steps import NOTHING, Pass, Step, compile_type, safe_name
from rwd_platform.core.units import Resource

__all__ = ["Quarantine", "Scrubbed", "scrub"]

_MAX_LISTED = 1000


@dataclass(frozen=True)
class Scrubbed:
    """A resource that is safe to store, and the account of what was left behind.

    `resource` is None where the policy drops the whole type; `dropped` then holds the type's name.
    `dropped` names each path once, sorted: `Patient.name`, `Observation.code.text`.
    """

    resource: Resource | None
    dropped: tuple[str, ...]


def scrub(
    resource: Resource, policy: Policy, pseudonyms: Pseudonymiser, shifts: Shifts | None = None
) -> Scrubbed:
    """The resource under the policy. Raises Quarantine where nothing of it may be stored yet.

    The input is not changed. Values are taken over as they are: a Decimal keeps its digits. `shifts` is
    needed by a policy that shifts dates (ValueError without).
    """
    if shifts is None and policy.shifts_dates:
        raise ValueError("a policy that shifts dates needs a date key")
    resource_type = resource.get("resourceType")
    copy = _compiled(policy).get(resource_type) if isinstance(resource_type, str) else None
    if copy is None:
        return _without_rules(resource_type, policy)
    run = Pass(pseudonyms, shifts, resource)
    kept = copy(resource, run)
    if run.modifier:
        raise quarantine(MODIFIER_EXTENSION, run.modifier)
    if run.fault:
        raise quarantine(*run.fault)
    dropped = tuple(sorted(run.dropped)[:_MAX_LISTED]) if run.dropped else ()
    if dropped:
        run.labels.add(REDACTED)
    return Scrubbed(_labelled(kept if kept is not NOTHING else {}, resource_type, run.labels), dropped)


def _without_rules(resource_type: object, policy: Policy) -> Scrubbed:
    if isinstance(resource_type, str) and resource_type in policy.dropped_types:
        return Scrubbed(None, (resource_type,))
    raise quarantine(NO_POLICY, safe_name(resource_type))


def _labelled(kept: Resource, resource_type: object, codes: set[str]) -> Resource:
    """Type, id and meta first, as people expect them; a meta of which nothing stayed is left out."""
    kept.pop("resourceType", None)
    found = kept.pop("meta", None)
    # A meta emptied by the policy needs no mark of its own: it is optional, and the labels speak.
    meta = found if type(found) is dict else {}
    meta.pop("extension", None)
    present = meta.pop("security", [])
    security = with_labels(present if type(present) is list else [present], codes)
    if security:
        meta["security"] = security
    head: Resource = {"resourceType": resource_type}
    if "id" in kept:
        head["id"] = kept.pop("id")
    if meta:
        head["meta"] = meta
    return {**head, **kept}


@lru_cache(maxsize=16)
def _compiled(policy: Policy) -> Mapping[str, Step]:
    """Each resource type's rules as nested closures: made once per policy, run once per resource."""
    return {resource_type: compile_type(resource_type, policy) for resource_type in policy.rules}
