"""The long form by itself: `python -m tests.crash_safety --kills 200 --seed 7 --out DIR [STAGE ...]`.

One line of JSON a trial in DIR/STAGE.jsonl, the table in DIR/summary.md. Exit 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash_safety.killing import Runner, Trial, prepared, warm
from tests.crash_safety.stages import BASED, SHARES, STAGES, WARM, filled
from tests.crash_safety.summary import table

_AGAIN_EVERY = 4


def run(folder: Path, kills: int, seed: int, names: list[str], at_once: int = 1) -> dict[str, list[Trial]]:
    """So many kills that hit, over these stages by their shares; stage -> every trial.

    at_once -- stages killed side by side; each has a folder and children of its own
    """
    warm(WARM)
    base = folder / "base"
    if not base.exists() and BASED & set(names):
        prepared(filled, base)
    whole = sum(SHARES[name] for name in names)

    def trials_of(name: str) -> list[Trial]:
        runner = Runner(STAGES[name], folder / name, base if name in BASED else None)
        count = -(-kills * SHARES[name] // whole)
        trials = []
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as lines:
            for trial in runner.killed(count, seed, _AGAIN_EVERY):
                trials.append(trial)
                lines.write(json.dumps(trial.as_dict(), ensure_ascii=False) + "\n")
                lines.flush()
        shutil.rmtree(runner.folder)
        return trials

    with ThreadPoolExecutor(at_once) as workers:
        return dict(zip(names, workers.map(trials_of, names), strict=True))


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--at-once", type=int, default=1)
    asked.add_argument("stages", nargs="*")
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found = run(given.out, given.kills, given.seed, given.stages or list(STAGES), given.at_once)
    (given.out / "summary.md").write_text(table(found), encoding="utf-8")
    print(table(found), end="")
    wrong = [one for trials in found.values() for one in trials if one.wrong]
    for trial in wrong:
        print(json.dumps(trial.as_dict(), ensure_ascii=False))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
