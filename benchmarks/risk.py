"""Re-identification risk: our measures beside pyCANON's, a report on ten million rows, and the optimal recoding.

    ./run bench risk

Every ratio is formed within one run on the same rows, and of CPU seconds, all threads counted: what else runs on
the machine then weighs on neither side. The rows come from a seed: birth year, sex, district
(2,800, by Zipf's law), month of admission (48), hospital (12), and one of ten diagnoses. pyCANON pins old
versions, so it gets an environment of its own in var/; without a package index its part is skipped, and says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from deidentify.risk.lattice import Ladder

SEED = 20261122
PYCANON = "pycanon==1.3.6"
ENVIRONMENT = Path(__file__).parents[1] / "var" / "benchmarks" / PYCANON.replace("==", "-")
QUASI = ["birth_year", "sex", "district", "month", "hospital"]

# Reads a Parquet file and prints each of pyCANON's values with the CPU seconds that it took.
ASK_PYCANON = """
import json, sys, time
import pandas as pd
from pycanon import anonymity
frame, quasi, sensitive = pd.read_parquet(sys.argv[1]).astype(str), sys.argv[2].split(","), [sys.argv[3]]
asked = {
    "k": lambda: anonymity.k_anonymity(frame, quasi),
    "l": lambda: anonymity.l_diversity(frame, quasi, sensitive),
    "entropy_l": lambda: anonymity.entropy_l_diversity(frame, quasi, sensitive),
    "t": lambda: anonymity.t_closeness(frame, quasi, sensitive),
}
found = {}
for name in sys.argv[4].split(","):
    began = time.process_time()
    value = float(asked[name]())
    found[name] = [value, time.process_time() - began]
print(json.dumps(found))
"""


def run() -> None:
    figures: dict[str, Any] = {"seed": SEED, "load_at_start": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        figures["pycanon"] = _beside_pycanon(Path(folder))
        figures["report"] = _report_of_ten_million(Path(folder))
    figures["recode"] = _recode_beside_exhaustive()
    figures["load_at_end"] = round(os.getloadavg()[0], 1)
    print(json.dumps({"risk": figures}))


def make_codes(rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """Codes per quasi-identifier, and of the diagnosis."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    zipf = 1 / np.arange(1, 2801)
    hospitals = np.array([25, 20, 12, 10, 8, 7, 5, 4, 3, 3, 2, 1]) / 100
    return {
        "birth_year": np.clip(rng.normal(1962, 17, rows).round(), 1925, 2024).astype(np.int64) - 1925,
        "sex": rng.integers(0, 2, rows),
        "district": rng.choice(2800, rows, p=zipf / zipf.sum()),
        "month": rng.integers(0, 48, rows),
        "hospital": rng.choice(12, rows, p=hospitals),
        "diagnosis": rng.choice(10, rows, p=np.array([30, 20, 15, 10, 8, 6, 5, 3, 2, 1]) / 100),
    }


def make_ladders() -> dict[str, Ladder]:
    """5 × 2 × 4 × 4 × 3 = 480 nodes; the place of a value in its ladder is its code."""
    from deidentify.risk.lattice import build_ladder

    rows: dict[str, list[list[str]]] = {
        "birth_year": [[f"{y}", f"{y // 5}", f"{y // 10}", f"{y // 20}", "*"] for y in range(1925, 2025)],
        "sex": [[f"{s}", "*"] for s in range(2)],
        "district": [[f"D{d}", f"C{d % 340}", f"P{d % 340 % 31}", "*"] for d in range(2800)],
        "month": [[f"M{m}", f"Q{m // 3}", f"Y{m // 12}", "*"] for m in range(48)],
        "hospital": [[f"H{h}", f"T{h // 4}", "*"] for h in range(12)],
    }
    return {name: build_ladder(name, table) for name, table in rows.items()}


def make_frame(rows: int, levels: tuple[int, ...]) -> pd.DataFrame:
    """The table as texts, generalised to the levels given."""
    import numpy as np
    import pandas as pd

    codes, ladders = make_codes(rows), make_ladders()
    columns = {
        name: np.array(ladders[name].labels[level], object)[ladders[name].levels[level][codes[name]]]
        for name, level in zip(QUASI, levels, strict=True)
    }
    diagnoses = np.array([f"E{n}" for n in range(10)], object)
    return pd.DataFrame(columns | {"diagnosis": diagnoses[codes["diagnosis"]]})


def seconds_of(
    work: Callable[[], Any], repeats: int = 1, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """The best of some runs, and what the work gave. `time.process_time` counts this process's work alone."""
    best, given = float("inf"), None
    for _ in range(repeats):
        began = clock()
        given = work()
        best = min(best, clock() - began)
    return best, given


def _beside_pycanon(folder: Path) -> list[dict[str, Any]] | str:
    python = _environment()
    if isinstance(python, str):
        print(f"risk: beside pyCANON: skipped, {python}")
        return f"skipped: {python}"
    found = []
    # rows | levels | what pyCANON can finish there: its t compares classes in Python, one by one
    for rows, levels, asked in (
        (1_000_000, (2, 0, 3, 0, 1), "k,l,entropy_l,t"),
        (10_000, (0, 0, 0, 0, 0), "k,l,entropy_l,t"),
        (1_000_000, (0, 0, 0, 0, 0), "k"),
    ):
        path = folder / f"{rows}-{levels[0]}.parquet"
        make_frame(rows, levels).to_parquet(path, index=False)
        found.append(_one_comparison(python, path, rows, levels, asked))
    return found


def _one_comparison(
    python: Path, path: Path, rows: int, levels: tuple[int, ...], asked: str
) -> dict[str, Any]:
    from deidentify.risk.measures import measure
    from deidentify.risk.table import open_table

    def ours() -> Any:
        with open_table(path) as table:
            return measure(table, QUASI, "diagnosis")

    seconds, measures = seconds_of(ours, 3, time.process_time)
    call = [str(python), "-c", ASK_PYCANON, str(path), ",".join(QUASI), "diagnosis", asked]
    theirs = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    agree = all(_agree(name, getattr(measures, name), value) for name, (value, _) in theirs.items())
    total = sum(spent for _, spent in theirs.values())
    each = ", ".join(f"{name} {spent:.2f} s" for name, (_, spent) in theirs.items())
    print(
        f"risk: {rows:,} rows, {measures.classes:,} classes: ours {seconds:.2f} s CPU for the file and all measures;"
        f" pyCANON {total:.1f} s CPU ({each}), the file already read; ratio {total / seconds:.0f},"
        f" values {'equal' if agree else 'DIFFER'}"
    )
    return {
        "rows": rows,
        "levels": levels,
        "classes": measures.classes,
        "ours_cpu_s": seconds,
        "pycanon": theirs,
        "ratio": total / seconds,
        "equal": agree,
    }


def _agree(name: str, ours: float, theirs: float) -> bool:
    """pyCANON rounds entropy l down; t is a sum of fractions, taken in another order."""
    return int(ours + 1e-9) == theirs if name == "entropy_l" else abs(ours - theirs) < 1e-9


def _environment() -> Path | str:
    """The Python that has pyCANON, or why there is none."""
    python = ENVIRONMENT / "bin" / "python"
    if (ENVIRONMENT / "ready").exists():
        return python
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True, capture_output=True
        )
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", PYCANON, "pyarrow"]
        subprocess.run(pip, check=True, capture_output=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        return f"{PYCANON} could not be installed ({type(error).__name__}; is a package index within reach?)"
    (ENVIRONMENT / "ready").touch()
    return python


def _report_of_ten_million(folder: Path) -> dict[str, Any]:
    """`rwd risk` as a process of its own, so that its peak memory is its own."""
    rows = 10_000_000
    path = folder / "ten-million.parquet"
    _write_ten_million(path, rows)
    began = time.perf_counter()
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "rwd_platform.cli.main", "risk", str(path), "--quasi", ",".join(QUASI)),
            *(
                "--sensitive",
                "diagnosis",
                "--sampling-fraction",
                "0.9",
                "--report",
                str(folder / "report"),
                "--json",
            ),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    peak = usage.ru_maxrss / 1024
    print(
        f"risk: report on {rows:,} rows × {len(QUASI)}: {seconds:.1f} s wall,"
        f" {usage.ru_utime + usage.ru_stime:.1f} s CPU, {peak:,.0f} MiB peak, exit {os.waitstatus_to_exitcode(status)}"
    )
    return {"rows": rows, "seconds": seconds, "peak_mib": peak, "exit": os.waitstatus_to_exitcode(status)}


def _write_ten_million(path: Path, rows: int) -> None:
    """Written from codes, by a child: this process would otherwise hold gigabytes of texts."""
    script = (
        "import sys, pyarrow as pa, pyarrow.parquet as pq\n"
        "from benchmarks.risk import make_codes\n"
        "pq.write_table(pa.table(make_codes(int(sys.argv[2]))), sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(rows)], check=True)


def _recode_beside_exhaustive() -> list[dict[str, Any]]:
    """k and suppression as the measured prototypes had them; discernibility, for it has no shortcut."""
    from deidentify.risk.recode import recode

    codes, ladders = make_codes(1_000_000), make_ladders()
    quasi = {name: codes[name] for name in QUASI}
    seconds_all, table = seconds_of(partial(_count_every_node, quasi, ladders), clock=time.process_time)
    found = []
    for k, suppression in ((5, 0.04), (11, 0.02), (20, 0.0)):
        wanted = {"k": k, "suppression": suppression, "metric": "dm"}
        seconds, best = seconds_of(partial(recode, quasi, ladders, **wanted), 3, time.process_time)  # type: ignore[arg-type]
        truth = min(_scores(table, k, int(suppression * 1_000_000)))
        same = (best.score, tuple(best.node.values())) == (truth[0], truth[2])
        print(
            f"risk: recode 1,000,000 × 5, k = {k}, {suppression:.0%}: {seconds:.2f} s CPU, {best.counted} of"
            f" {best.nodes} nodes counted; every node counted from the records {seconds_all:.1f} s CPU,"
            f" ratio {seconds_all / seconds:.0f}; optimum {'the same' if same else 'DIFFERS'}"
            f" {list(best.node.values())}, {best.score:,.0f}"
        )
        found.append(
            {
                "k": k,
                "suppression": suppression,
                "cpu_s": seconds,
                "exhaustive_cpu_s": seconds_all,
                "counted": best.counted,
                "nodes": best.nodes,
                "same": same,
            }
        )
    return found


ClassSizes = dict[tuple[int, ...], "np.ndarray[Any, Any]"]


def _count_every_node(codes: dict[str, np.ndarray[Any, Any]], ladders: dict[str, Ladder]) -> ClassSizes:
    """The class sizes of all nodes, each from the records: one sort a node, nothing rolled up."""
    import numpy as np

    sizes: ClassSizes = {}
    for node in product(*(range(ladder.height) for ladder in ladders.values())):
        key = np.zeros(len(codes["sex"]), np.int64)
        for (name, ladder), level in zip(ladders.items(), node, strict=True):
            key = key * len(ladder.labels[level]) + ladder.levels[level][codes[name]]
        key.sort()
        ends = np.flatnonzero(np.append(key[1:] != key[:-1], True))
        sizes[node] = np.unique(np.diff(ends, prepend=-1), return_counts=True)  # type: ignore[assignment]
    return sizes


def _scores(table: ClassSizes, k: int, limit: int) -> list[tuple[float, int, tuple[int, ...]]]:
    scores = []
    for node, (sizes, often) in table.items():
        records = int((sizes * often).sum())
        kept = sizes >= k
        lost = records - int((sizes * often)[kept].sum())
        if lost <= limit:
            scores.append((float((sizes * sizes * often)[kept].sum() + lost * records), sum(node), node))
    return scores
