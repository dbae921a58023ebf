"""What HL7 has published: resource types, code systems, their codes, extensions. Any other name could be a person's."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("hl7_names.csv")
_CODES = Path(__file__).with_name("hl7_codes.csv")
_EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/"
# Under any of these only names that HL7 has given are code systems.
FAMILIES = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/",
        "http://hl7.org/fhir/",
        "http://hl7.org/fhir/CodeSystem/",
        "http://hl7.org/fhir/NamingSystem/",
    }
)


@cache
def _names(kind: str) -> frozenset[str]:
    return frozenset(row["name"] for row in _rows(_FILE) if row["kind"] == kind)


@cache
def _codes() -> Mapping[str, str]:
    return {row["system"]: row["codes"] for row in _rows(_CODES)}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def is_resource_type(name: str) -> bool:
    """Whether FHIR R4 has a resource type of that name."""
    return name in _names("resource")


def is_code_system(url: str) -> bool:
    """Whether HL7 published a code system, or a naming system, at this address."""
    return url in _names("system") or url in _codes()


def codes_of(system: str) -> frozenset[str] | None:
    """The codes of a system of HL7's: a closed list. None where the address is below none of HL7's families.

    Of a system that HL7 published without codes of its own, such as a naming system, no code is one.
    """
    if system[: system.rfind("/") + 1] not in FAMILIES:
        return None
    return frozenset(_codes().get(system, "").split("|")) - {""}


def is_extension(url: str) -> bool:
    """Whether HL7 published an extension at this address, in FHIR R4 itself."""
    return url.startswith(_EXTENSIONS) and url.removeprefix(_EXTENSIONS) in _names("extension")
