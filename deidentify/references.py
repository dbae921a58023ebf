"""References between resources, rewritten so that they point at the pseudonym.

Patient/17                               Patient/<token>
Patient/17/_history/2                    Patient/<token>
https://his.example/fhir/Patient/17      Patient/<token>     the server's name goes too
urn:uuid:0c3151bd-...                    <type>/<token>      type: what the policy says of the element
#p1, Patient?identifier=..., others      nothing: contained resources go, queries hold identifiers
"""

from __future__ import annotations

import re

from deidentify.hl7_names import is_resource_type
from deidentify.pseudonym import Pseudonymiser

_REST = re.compile(
    r"(?:https?://[^\s?#]{1,500}/)?([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_UUID = re.compile(r"urn:uuid:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.IGNORECASE)
_OID = re.compile(r"urn:oid:([0-2](?:\.(?:0|[1-9][0-9]*)){1,30})", re.IGNORECASE)


def rewrite(reference: str, pseudonyms: Pseudonymiser, urn_type: str = "") -> str | None:
    """The reference with its id replaced, or None where it has a form that cannot be made safe.

    `urn_type` is the resource type that a `urn:` reference in this element is taken to mean; without
    it such a reference cannot be followed after the ids have changed, and is dropped.
    """
    match = _REST.fullmatch(reference)
    if match:
        if not is_resource_type(match[1]):
            return None  # a name in the place of a type could be a person's
        return f"{match[1]}/{pseudonyms.token(match[1], match[2])}"
    if urn_type:
        urn = _UUID.fullmatch(reference) or _OID.fullmatch(reference)
        if urn:
            return f"{urn_type}/{pseudonyms.token(urn_type, urn[1].lower())}"
    return None
