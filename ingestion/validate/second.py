"""fhir.resources as the second validator: its models are asked about what our own check lets through.

Its verdict is taken, its words are not: a message of pydantic repeats the value that it refused.
What it is known to refuse wrongly is listed here, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ingestion.validate.messages import issue
from ingestion.validate.shapes import Shape
from rwd_platform.core.units import Issue, Resource

_SPEAKABLE = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}\Z")
_KIND = re.compile(r"[a-z0-9_.\-]{1,64}\Z")
_COMPANION_OF_VALUE = re.compile(r"_value[A-Z]")


def issues_of_models(resource: Resource, shape: Shape) -> tuple[Issue, ...]:
    """Empty when the model of fhir.resources accepts the resource, or refuses it wrongly."""
    from pydantic import ValidationError

    try:
        shape.model.model_validate(resource)
    except ValidationError as refused:
        errors = refused.errors(include_url=False, include_context=False, include_input=False)
        return tuple(_issue(shape.name, error) for error in errors if not _is_over_strict(error))
    except Exception as failure:
        # A validator that breaks down on a resource cannot vouch for it; the name of the failure is
        # no value of the record, its text may be.
        kind = type(failure).__name__
        return (issue("fhir.second_validator", shape.name, element=shape.name, kind=kind),)
    return ()


def _is_over_strict(error: Mapping[str, Any]) -> bool:
    """Refusals that contradict FHIR R4.

    - `_valueString` and its like inside an extension: the models of Extension lack them
    - valueUuid must be a UUID of version 4: FHIR asks for no version
    """
    where = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return _COMPANION_OF_VALUE.match(where) is not None
    return bool(error["type"] == "uuid_version")


def _issue(root: str, error: Mapping[str, Any]) -> Issue:
    expression = root
    element = root
    for part in error["loc"]:
        if isinstance(part, int):
            expression += f"[{part}]"
        elif _SPEAKABLE.match(part) and part != "root":
            expression += f".{part}"
            element = part
    kind = error["type"] if _KIND.match(error["type"]) else "invalid"
    return issue("fhir.second_validator", expression, element=element, kind=kind)
