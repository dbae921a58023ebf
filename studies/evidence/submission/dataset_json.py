"""A dataset as CDISC Dataset-JSON 1.1 (final, 2024-12-05): the form that keeps Chinese.

Labels and values are Chinese here and English in XPT; define.xml has both. Attributes stand in the order that the
specification recommends, one row a line, so that a large file can be read as it streams.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from studies.evidence.submission.adam import AdamDataset, AdamVariable
from studies.evidence.submission.facts import METADATA_REF, Oids, SubmissionFacts

VERSION = "1.1.0"
_TYPES = {"text": "string", "integer": "integer", "float": "float"}


def dataset_json(dataset: AdamDataset, oids: Oids, facts: SubmissionFacts) -> bytes:
    """The file: missing is null; numbers are written with the fewest digits that give the same double."""
    head = {
        "datasetJSONCreationDateTime": facts.created,
        "datasetJSONVersion": VERSION,
        "fileOID": oids.file(dataset.name),
        "originator": facts.platform.zh,
        "studyOID": oids.study,
        "metaDataVersionOID": oids.version,
        "metaDataRef": METADATA_REF,
        "itemGroupOID": oids.group(dataset.name),
        "records": len(dataset.frame),
        "name": dataset.name,
        "label": dataset.label.zh,
        "columns": [_column(dataset, one, oids) for one in dataset.variables],
    }
    columns = [_values(one, dataset.frame[one.name]) for one in dataset.variables]
    rows = [_compact(list(row)) for row in zip(*columns, strict=True)]
    body = "".join(f',\n"{name}": {_compact(value)}' for name, value in head.items())[2:]
    listed = "\n" + ",\n".join(rows) + "\n" if rows else ""
    return f'{{\n{body},\n"rows": [{listed}]\n}}\n'.encode()


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _column(dataset: AdamDataset, variable: AdamVariable, oids: Oids) -> dict[str, Any]:
    column: dict[str, Any] = {
        "itemOID": oids.item(dataset.name, variable.name),
        "name": variable.name,
        "label": variable.label.zh,
        "dataType": _TYPES[variable.type],
    }
    if variable.type == "text":
        column["length"] = variable.length
    if variable.display_format:
        column["displayFormat"] = variable.display_format
    sequence = dataset.key_sequence(variable.name)
    return column if sequence is None else {**column, "keySequence": sequence}


def _values(variable: AdamVariable, values: pd.Series[Any]) -> list[Any]:
    """JSON values; -0.0 and 1.0 stay the numbers they are."""
    if variable.type == "text":
        return [one or None for one in values]
    if variable.type == "integer":
        return [None if one is pd.NA else int(one) for one in values]
    return [None if one != one else float(one) for one in values]
