"""Cox regression beside its peers, ratios within one run: 1e5 and 1e6 rows, and weighted with robust errors at 1e5.

    ./run bench cox                 all three
    RWD_BENCH_COX=cox_1e5 ./run bench cox

The peers are the Rust package `survival`, lifelines, and R's survival where `Rscript` is installed. Days of
follow-up are whole numbers, as in our data. All get the same arrays; a time is the fit's alone (for lifelines with its
data frame made, for R with its matrix read), the best of the rounds, engines in turns, one thread for linear algebra.
CPU seconds (all threads) stand beside it: what else runs on the machine weighs less on them.
The fitted coefficients (and for the weighted model the robust errors) must be equal, and the largest relative
difference is printed. lifelines and R get one round where one takes long.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20261122
ROUNDS = {"rwd": 5, "rust": 3, "lifelines": 1, "R": 1}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    """Rows, covariates, and whether the rows are weighted with robust errors."""

    name: str
    rows: int
    covariates: int
    weighted: bool


TASKS = (
    Task("cox_1e5", 100_000, 10, False),
    Task("iptw_1e5", 100_000, 1, True),
    Task("cox_1e6", 1_000_000, 10, False),
)
Answer = tuple[list[float], list[float]]  # coefficients, standard errors


def run() -> None:
    """Print, for each task, seconds of each engine, the ratio to ours, and how far the coefficients are apart."""
    if any(os.environ.get(name) != "1" for name in _THREADS):
        # NumPy read them when it was imported: the measurement is that of a fresh process.
        subprocess.run(
            [sys.executable, "-c", "import benchmarks.cox as b; b.measure()"],
            env=os.environ | dict.fromkeys(_THREADS, "1"),
            cwd=Path(__file__).parents[1],
            check=True,
        )
        return
    measure()


def measure() -> None:
    """In a process with one thread for linear algebra."""
    wanted = os.environ.get("RWD_BENCH_COX", "").split(",")
    found = [_task(one) for one in TASKS if wanted == [""] or one.name in wanted]
    print(json.dumps({"cox": found}))


def rows_of(task: Task) -> tuple[Any, Any, Any, Any]:
    """x (n, p), time in whole days, event, weights or None: exponential hazards, about 70 % events."""
    source = np.random.default_rng(SEED)
    x = source.normal(size=(task.rows, task.covariates))
    if task.weighted:
        x = (x > 0.5).astype(float)
    hazard = np.exp(x @ source.normal(0.0, 0.2, task.covariates))
    died, censored = source.exponential(1000.0 / hazard), source.uniform(0.0, 2500.0, task.rows)
    weights = source.uniform(0.5, 5.0, task.rows) if task.weighted else None
    return x, np.ceil(np.minimum(died, censored)), (died <= censored).astype(int), weights


def _task(task: Task) -> dict[str, Any]:
    data = rows_of(task)
    engines: dict[str, Callable[[], Answer]] = {"rwd": lambda: _ours(*data), "rust": lambda: _rust(*data)}
    engines["lifelines"] = _lifelines(*data)
    seconds: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    answers: dict[str, Answer] = {}
    for number in range(max(ROUNDS.values())):
        for name, fit in engines.items():
            if number >= ROUNDS[name]:
                continue
            began, spent = time.perf_counter(), time.process_time()
            answers[name] = fit()
            seconds.setdefault(name, []).append(time.perf_counter() - began)
            cpu.setdefault(name, []).append(time.process_time() - spent)
    rscript = shutil.which("Rscript")
    if rscript:
        answers["R"], *taken = _in_r(rscript, data)
        seconds["R"], cpu["R"] = taken[:1], taken[1:]
    else:
        print(f"cox: {task.name}: R: skipped, no Rscript")
    return _printed(task, seconds, cpu, answers)


def _printed(
    task: Task, seconds: dict[str, list[float]], cpu: dict[str, list[float]], answers: dict[str, Answer]
) -> dict[str, Any]:
    best = {name: min(taken) for name, taken in seconds.items()}
    least = {name: min(taken) for name, taken in cpu.items()}
    apart = {}
    for name, (coef, se) in answers.items():
        ours = answers["rwd"]
        apart[name] = max(_relative(coef, ours[0]), _relative(se, ours[1]) if task.weighted else 0.0)
    for name, taken in best.items():
        print(
            f"cox: {task.name}: {name}: best {taken:.3f} s of {len(seconds[name])};"
            f" {taken / best['rwd']:.1f} times ours; CPU {least[name]:.3f} s, {least[name] / least['rwd']:.1f} times;"
            f" {'coefficients and robust errors' if task.weighted else 'coefficients'} {apart[name]:.0e} apart"
        )
    peers = {name: taken for name, taken in best.items() if name != "rwd"}
    next_best = min(peers, key=peers.__getitem__)
    print(f"cox: {task.name}: next best is {next_best}: {peers[next_best] / best['rwd']:.1f} times ours")
    return {
        "task": task.name,
        "best_s": best,
        "least_cpu_s": least,
        "apart": apart,
        "load": round(os.getloadavg()[0], 1),
    }


def _relative(found: list[float], wanted: list[float]) -> float:
    return float(np.max(np.abs(np.array(found) / np.array(wanted) - 1.0)))


def _ours(x: Any, days: Any, event: Any, weights: Any) -> Answer:
    from studies.statistics.survival.cox import fit_cox

    fit = fit_cox(x, days, event, weights=weights, robust=weights is not None)
    return list(fit.coef), list(fit.se)


def _rust(x: Any, days: Any, event: Any, weights: Any) -> Answer:
    from survival._survival import coxph_fit

    fit = coxph_fit(days, event, x, weights=weights, robust=weights is not None)
    return list(fit.coefficients), [float(value) for value in np.sqrt(np.diag(np.array(fit.var)))]


def _lifelines(x: Any, days: Any, event: Any, weights: Any) -> Callable[[], Answer]:
    import warnings

    import pandas as pd
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(x, columns=[f"x{at}" for at in range(x.shape[1])]).assign(days=days, event=event)
    options: dict[str, Any] = {}
    if weights is not None:
        frame["weights"] = weights
        options = {"weights_col": "weights", "robust": True}

    def fit() -> Answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = CoxPHFitter().fit(frame, "days", "event", **options)
        return list(fitted.params_), list(fitted.standard_errors_)

    return fit


def _in_r(rscript: str, data: tuple[Any, Any, Any, Any]) -> tuple[Answer, float, float]:
    x, days, event, weights = data
    with tempfile.TemporaryDirectory(prefix="rwd-cox-") as folder:
        columns = [days, event, np.ones(len(days)) if weights is None else weights, *x.T]
        np.ascontiguousarray(columns, dtype="<f8").tofile(Path(folder) / "columns")
        robust = "TRUE" if weights is not None else "FALSE"
        given = ", weights = w" if weights is not None else ""
        script = f"""
            suppressMessages(library(survival))
            m <- matrix(readBin("{folder}/columns", "double", {len(columns) * len(days)}), ncol = {len(columns)})
            time <- m[, 1]; event <- m[, 2]; w <- m[, 3]; x <- m[, -(1:3), drop = FALSE]
            taken <- system.time(fit <- coxph(Surv(time, event) ~ x{given}, robust = {robust}))
            said <- c(taken[["elapsed"]], sum(taken[1:2]), coef(fit), sqrt(diag(as.matrix(vcov(fit)))))
            cat(sprintf("%.17g", said), sep = " ")
        """
        said = subprocess.run(
            [rscript, "-e", script], capture_output=True, text=True, check=True
        ).stdout.split()
    numbers, p = [float(one) for one in said], x.shape[1]
    return (numbers[2 : p + 2], numbers[p + 2 :]), numbers[0], numbers[1]
