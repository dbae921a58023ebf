"""An unaudited write does not type-check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SNIPPET = """
from rwd_platform.log.entry import Act
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Organisation


def store(records: Records, row: Organisation, act: Act) -> None:
    records.write(row, audit=act)
    records.write(row)
    with records.transaction() as session:
        session.add(row)
    records.write(row, act)
"""


@pytest.mark.long
def test_a_write_without_audit_does_not_type_check(tmp_path: Path) -> None:
    """mypy accepts the audited write and names each line that forgot: the contract is in the signature."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(snippet)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [line for line in checked.stdout.splitlines() if "snippet.py" in line and "error:" in line]
    lines = sorted({int(line.split(":")[1]) for line in errors})
    assert lines == [9, 10, 12], checked.stdout
