"""Names that HL7 has published: resource types, code systems, extensions. Any other name could be a person's."""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("hl7_names.csv")
_V2_TABLE = re.compile(r"http://terminology\.hl7\.org/CodeSystem/v2-[0-9]{4}")
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
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return frozenset(row["name"] for row in rows if row["kind"] == kind)


def is_resource_type(name: str) -> bool:
    """Whether FHIR R4 has a resource type of that name."""
    return name in _names("resource")


def is_code_system(url: str) -> bool:
    """Whether HL7 published a code system, or a naming system, at this address."""
    return url in _names("system") or bool(_V2_TABLE.fullmatch(url))


def is_extension(url: str) -> bool:
    """Whether HL7 published an extension at this address, in FHIR R4 itself."""
    return url.startswith(_EXTENSIONS) and url.removeprefix(_EXTENSIONS) in _names("extension")
