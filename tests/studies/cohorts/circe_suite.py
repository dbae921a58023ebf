"""Where the tests of OHDSI/circe-be lie, and their tables.

They are not in this repository: unpack circe-be under `RWD_SUITES/circe-be`, or as `circe` in the folder for
temporary files.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from studies.cohorts.circe.omop_rows import Tables, omop_from_json, typed, with_empty
from tests.studies.cohorts.circe_cases import Json

PLACES = (
    Path(os.environ.get("RWD_SUITES", "")) / "circe-be" if "RWD_SUITES" in os.environ else None,
    Path(tempfile.gettempdir()) / "circe",
)
RESOURCES = "src/test/resources"
SUITE = next((place / RESOURCES for place in PLACES if place and (place / RESOURCES).is_dir()), None)
needs_suite = pytest.mark.skipif(SUITE is None, reason="OHDSI/circe-be is not under RWD_SUITES/circe-be")


def raw(path: str) -> Json:
    assert SUITE is not None
    found: Json = json.loads((SUITE / path).read_text(encoding="utf-8"))
    return found


def database(path: str) -> Tables:
    """The tables of a case over the vocabulary that all share; circe-be's database has every other one, empty."""
    return with_empty({**omop_from_json(json.dumps(raw("datasets/vocabulary.json"))), **from_case(path)})


def from_case(path: str) -> Tables:
    return typed((name, rows) for name, rows in raw(path).items() if name.startswith("cdm."))
