"""The code that travels in a package recomputes its results, away from this repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from studies.evidence.code import result_code
from studies.evidence.documents import json_bytes
from studies.evidence.templates import verify as standalone
from tests.evidence.fixtures import PROTOCOL, small_inputs, small_lock


def unpacked(folder: Path) -> Path:
    """What `rerun.py` reads of a package, and the lock beside it."""
    for name, text in result_code().items():
        target = folder / "07_code/src" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    script = Path(standalone.__file__).parent / "rerun.py"
    (folder / "07_code/rerun.py").write_bytes(script.read_bytes())
    (folder / "01_protocol").mkdir()
    (folder / "01_protocol/protocol.yaml").write_bytes(PROTOCOL.read_bytes())
    (folder / "05_results").mkdir()
    (folder / "05_results/ard.json").write_bytes(json_bytes(small_inputs().results.as_dict()))
    (folder / "00_index").mkdir()
    (folder / "00_index/package.json").write_bytes(json_bytes({"lock_id": small_inputs().results.lock_id}))
    (folder / "lock").mkdir()
    (folder / "lock/manifest.json").write_bytes(json_bytes({"id": small_inputs().results.lock_id}))
    for name, frame in small_lock().items():
        frame.to_parquet(folder / "lock" / f"{name}.parquet")
    return folder


def test_the_travelling_code_recomputes_every_result_from_the_lock(tmp_path):
    """Exit 0 when all rows agree; exit 1 naming the row that does not; the folder is left as it was."""
    folder = unpacked(tmp_path)

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(folder / "07_code/rerun.py"), "--lock", str(folder / "lock")]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)

    good = run()
    assert good.returncode == 0, good.stdout + good.stderr
    assert not list(folder.rglob("__pycache__"))
    stored = folder / "05_results/ard.json"
    results = json.loads(stored.read_text("utf-8"))
    row = next(one for one in results["rows"] if one["id"] == "restricted.crude.hormon.hazard_ratio")
    row["value"] *= 1.000001
    stored.write_bytes(json_bytes(results))
    bad = run()
    assert bad.returncode == 1
    assert "restricted.crude.hormon.hazard_ratio" in bad.stdout and "1 differ" in bad.stdout


def test_the_travelling_code_holds_nothing_that_makes_packages_or_reads_identities():
    """What a reviewer runs is the room of studies and the shared words it stands on."""
    names = result_code()
    assert "studies/run.py" in names and "studies/protocols/rotterdam.yaml" in names
    assert all(name.startswith(("studies/", "rwd_platform/core/", "rwd_platform/__init__")) for name in names)
    assert not any("evidence" in name for name in names)
