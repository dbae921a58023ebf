"""Recomputes the results of this package from its data lock and compares them row by row (RERUN.md).

    python rerun.py --lock LOCK_FOLDER

Exit 0: everything agrees. Exit 1: what differs is listed. Exit 2: wrong use.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RELATIVE = 1e-9
FIELDS = ("value", "ci_low", "ci_high", "n", "events")


def agree(stored: Any, found: Any) -> bool:
    """Floats within the tolerance; counts, words and gaps exactly."""
    if isinstance(stored, float) and isinstance(found, (int, float)):
        return math.isclose(stored, found, rel_tol=RELATIVE, abs_tol=1e-9)
    return bool(stored == found)


def differences(stored: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The ids of result rows that are not the same in both."""
    old = {row["id"]: row for row in stored["rows"]}
    new = {row["id"]: row for row in found["rows"]}
    apart = set(old) ^ set(new)
    both = set(old) & set(new)
    apart |= {name for name in both if not all(agree(old[name][one], new[name][one]) for one in FIELDS)}
    return sorted(apart)


def read_lock(folder: Path) -> dict[str, Any]:
    import pandas as pd

    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def main() -> int:
    parser = argparse.ArgumentParser(description="复算证据包的结果 / recompute a package's results")
    parser.add_argument("--lock", type=Path, required=True)
    folder = parser.parse_args().lock
    package = HERE.parent
    sys.dont_write_bytecode = True  # a package that was run must still verify
    sys.path.insert(0, str(HERE / "src"))
    from studies.dataset import build
    from studies.protocol import load_protocol
    from studies.run import run_analyses

    if not folder.is_dir():
        sys.stderr.write("找不到数据锁定 / no data lock at %s\n" % folder)
        return 2
    protocol = load_protocol((package / "01_protocol" / "protocol.yaml").read_text(encoding="utf-8"))
    stored = json.loads((package / "05_results" / "ard.json").read_text(encoding="utf-8"))
    results = run_analyses(build(read_lock(folder), protocol), protocol, stored["lock_id"])
    found = json.loads(json.dumps(results.as_dict()))
    apart = [name for name in differences(stored, found) if not name.startswith("attrition.")]
    for name in apart:
        sys.stdout.write("✗ %s\n" % name)
    total = len(stored["rows"])
    sys.stdout.write(
        "%d 行结果，%d 行不同 / %d result rows, %d differ\n" % (total, len(apart), total, len(apart))
    )
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
