"""What `rwd validate` prints: a line for each resource of a file (docs/reference/commands.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestion.intake import LIMITS, Limits, read_units
from ingestion.problems import NOT_FOUND
from ingestion.validate import check
from rwd_platform.core.safe_names import is_safe_name
from rwd_platform.core.units import Issue, Unit


def validate_file(
    path: Path | str, fhir_version: str = "R4", *, limits: Limits = LIMITS
) -> Iterator[dict[str, Any]]:
    """The verdicts on a .json or .ndjson file, plain or compressed, in its order.

    Raises PlatformError when the file as a whole is refused.
    """
    path = Path(path)
    if not path.is_file():
        raise NOT_FOUND.error(file=str(path))
    for unit in read_units(str(path), lambda: path.open("rb"), limits=limits):
        yield verdict(unit, check(unit, fhir_version))


def verdict(unit: Unit, issues: tuple[Issue, ...]) -> dict[str, Any]:
    resource = unit.resource or {}
    return {
        "file": unit.place.file,
        "line": unit.place.line,
        "resourceType": _type(resource.get("resourceType")),
        "id": _text(resource.get("id")),
        "outcome": "reject" if issues else "accept",
        "issues": [
            {"code": issue.code, "expression": issue.expression, "zh": issue.zh, "en": issue.en}
            for issue in issues
        ],
    }


def _type(value: Any) -> str | None:
    """A type as sent, or a slip away from one; what else stands there may be a person's name."""
    return value if isinstance(value, str) and is_safe_name(value) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
