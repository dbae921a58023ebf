"""The long form by itself: `python -m tests.crash_safety --kills 200 --seed 7 --out DIR [STAGE ...]`.

One line of JSON a kill in DIR/trials.jsonl, a summary at the end. Exit 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

from tests.crash_safety.killing import Runner, Trial, prepared, warm
from tests.crash_safety.stages import SHARES, STAGES, WARM, filled

_AGAIN_EVERY = 4


def run(folder: Path, kills: int, seed: int, names: list[str]) -> list[Trial]:
    warm(WARM)
    base = folder / "base"
    if not base.exists():
        prepared(filled, base)
    whole = sum(SHARES[name] for name in names)
    trials = []
    with (folder / "trials.jsonl").open("w", encoding="utf-8") as lines:
        for name in names:
            runner = Runner(STAGES[name], folder / name, base)
            for number, moment in enumerate(runner.moments(-(-kills * SHARES[name] // whole), seed)):
                trial = runner.trial(moment, again=number % _AGAIN_EVERY == 0)
                trials.append(trial)
                lines.write(json.dumps(trial.as_dict(), ensure_ascii=False) + "\n")
                lines.flush()
            shutil.rmtree(runner.folder)
    return trials


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("stages", nargs="*")
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    trials = run(given.out, given.kills, given.seed, given.stages or list(STAGES))
    found = Counter((one.stage, one.killed, one.stands, bool(one.wrong)) for one in trials)
    for (stage, killed, stands, wrong), count in sorted(found.items()):
        print(f"{stage:8} killed={killed!s:5} stands={stands:7} wrong={wrong!s:5} {count}")
    print(f"{len(trials)} trials, {sum(one.killed for one in trials)} killed, seed {given.seed}")
    return int(any(one.wrong for one in trials))


if __name__ == "__main__":
    sys.exit(main())
