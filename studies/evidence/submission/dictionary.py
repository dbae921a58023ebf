"""The data dictionary: every variable in one table, for people and spreadsheets.

It follows from the protocol, and from which tables the lock holds, alone: no length, count or value of the data is in
it, so that it can go to a recipient who gets no rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from studies.evidence.documents import csv_bytes
from studies.evidence.submission.adam import AdamDataset, AdamVariable

HEAD = (
    "dataset", "variable", "long_name", "label_zh", "label_en", "title_en", "type", "key", "codes", "origin",
    "predecessor", "source", "derivation_zh", "derivation_en",
)  # fmt: skip
_FORMULA = re.compile(r"[=+\-@\t\r]")


def data_dictionary(datasets: Sequence[AdamDataset]) -> bytes:
    """CSV with a byte-order mark. A cell that a spreadsheet would compute has an apostrophe in front."""
    rows = (_row(dataset, one) for dataset in datasets for one in dataset.variables)
    return csv_bytes([HEAD, *([inert(cell) for cell in row] for row in rows)])


def inert(cell: str) -> str:
    """The cell as text: a formula in a protocol's title must not run where somebody opens the dictionary."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _row(dataset: AdamDataset, one: AdamVariable) -> Iterable[str]:
    sequence = dataset.key_sequence(one.name)
    codes = one.codes.codes if one.codes else ()
    return (
        dataset.name, one.name, one.long_name, one.label.zh, one.label.en, one.title.en, one.type,
        "" if sequence is None else str(sequence),
        "; ".join(f"{code.value} = {code.meaning.zh} / {code.meaning.en}" for code in codes),
        one.origin, one.predecessor, ", ".join(one.source), one.derivation.zh, one.derivation.en,
    )  # fmt: skip
