"""A dataset as a SAS transport file, version 5 (SAS technical note TS-140).

ASCII alone, by our own rule: the format has no place to say which encoding it is in. Numbers are IBM floats of 8 bytes,
whose 56 bits of fraction hold every IEEE double from 5.4e-79 to 4.5e74 exactly. What cannot be held is counted.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from studies.evidence.submission.adam import AdamDataset, AdamVariable
from studies.evidence.submission.losses import Kind, Loss, described_losses
from studies.evidence.submission.problems import SUBJECT_ID_NOT_KEPT
from studies.evidence.submission.spelling import ascii_text

VERSION: Literal[5] = 5
SMALLEST, LARGEST = (
    16.0**-65,
    16.0**62,
)  # the library writes half of the format's last power of sixteen as infinity
_EXACT_INTEGERS = 2.0**53
# Where the format says when a file was made and last changed, for the library and for its one member.
_TIMES = (144, 160, 464, 480)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FREE_KEYS = frozenset({"STUDYID"})  # one value for everybody: its spelling joins nothing wrongly


@dataclass(frozen=True)
class XptTable:
    """What goes into the file: `frame` is ASCII, `lengths` are the bytes of each text variable."""

    frame: pd.DataFrame
    lengths: dict[str, int]
    losses: tuple[Loss, ...]


def xpt_table(dataset: AdamDataset) -> XptTable:
    """Raises `submission.subject_id_not_kept` where a key would not be the same in both formats."""
    losses = list(described_losses(dataset))
    columns: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for one in dataset.variables:
        column, changed = (_text if one.type == "text" else _numbers)(one, dataset.frame[one.name])
        if one.type == "text":
            lengths[one.name] = max([1, *map(len, column)])
        if changed and one.name in dataset.keys and one.type == "text" and one.name not in _FREE_KEYS:
            # A value may have changed in two ways at once.
            count = sum(was != now for was, now in zip(dataset.frame[one.name], column, strict=True))
            raise SUBJECT_ID_NOT_KEPT.error(dataset=dataset.name, variable=one.name, count=count)
        losses += [Loss(dataset.name, one.name, kind, count) for kind, count in sorted(changed.items())]
        columns[one.name] = pd.Series(column, dtype="object" if one.type == "text" else "float64")
    return XptTable(pd.DataFrame(columns), lengths, tuple(losses))


def xpt_bytes(dataset: AdamDataset, table: XptTable, dated: str) -> bytes:
    """The file. It carries the package's day, so that the same data give the same bytes."""
    import pyreadstat

    labels: list[str | None] = [one.label.en for one in dataset.variables]
    formats = {one.name: one.display_format for one in dataset.variables if one.display_format}
    with tempfile.TemporaryDirectory() as folder:  # the library writes to a path alone
        path = Path(folder) / f"{dataset.name.lower()}.xpt"
        pyreadstat.write_xport(
            table.frame, str(path), file_label=dataset.label.en, column_labels=labels,
            table_name=dataset.name, file_format_version=VERSION, variable_format=formats,
        )  # fmt: skip
        return _dated(path.read_bytes(), date.fromisoformat(dated))


def _dated(content: bytes, day: date) -> bytes:
    stamp = f"{day.day:02d}{_MONTHS[day.month - 1]}{day.year % 100:02d}:00:00:00".encode()
    made = bytearray(content)
    for at in _TIMES:
        made[at : at + len(stamp)] = stamp
    return bytes(made)


def _text(variable: AdamVariable, values: pd.Series[str]) -> tuple[list[str], Counter[Kind]]:
    """Each different value once; what happened to it counts for every row that has it."""
    changed: Counter[Kind] = Counter()
    written: dict[str, str] = {}
    spelt = variable.spelt
    for value, rows in Counter(values.tolist()).items():
        written[value], kinds = _one_text(value, spelt.get(value))
        changed.update(dict.fromkeys(kinds, rows))
    return [written[value] for value in values], changed


def _one_text(value: str, english: str | None) -> tuple[str, list[Kind]]:
    made = ascii_text(value if english is None or value.isascii() else english)
    kinds: list[Kind] = []
    if english is not None and not value.isascii() and made.change != "replaced":
        kinds.append("decoded")
    elif made.change:
        kinds.append(made.change)
    if made.cut:
        kinds.append("cut")
    if made.text != made.text.rstrip(" "):
        kinds.append("blanks")
    return made.text.rstrip(" "), kinds


def _numbers(variable: AdamVariable, values: pd.Series[float]) -> tuple[Any, Counter[Kind]]:
    numbers = values.astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
    size = np.abs(numbers)
    large, small = size > LARGEST, (size < SMALLEST) & (size > 0)
    kept = np.where(large, np.nan, np.where(small, 0.0, numbers))
    changed: Counter[Kind] = Counter({"too_large": int(large.sum()), "too_small": int(small.sum())})
    if variable.type == "integer":  # an Int64 of more than 53 bits is no double
        wide = size >= _EXACT_INTEGERS
        pairs = zip(values[wide], numbers[wide], strict=True)
        changed["rounded"] = sum(int(exact) != int(near) for exact, near in pairs)
    return kept, +changed
