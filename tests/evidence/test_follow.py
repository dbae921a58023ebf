"""A number goes home by the package's files alone; a file that is not as it was is told, number by number."""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studies.evidence.package import build
from tests.evidence.fixtures import small_inputs

LINEAGE, ROW_SETS, ARD = "08_trace/lineage.csv.gz", "08_trace/row_sets.json", "05_results/ard.json"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """With no module of ours in reach."""
    program = folder / "data/08_trace/follow.py"
    return subprocess.run(
        [sys.executable, "-I", str(program), *arguments], capture_output=True, text=True, check=False
    )


def numbers(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "data/06_report/numbers.json").read_text())["numbers"])


def edit(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    path = folder / "data" / name
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def keep_lines(folder: Path, keep: Callable[[str], bool]) -> None:
    path = folder / "data" / LINEAGE
    head, *lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join([head, *(line for line in lines if keep(line))]).encode()))


def test_every_number_of_a_report_goes_home(folder: Path) -> None:
    done = run(folder, "--all")
    count = len(numbers(folder))
    assert done.returncode == 0 and f"✓ {count} / {count}" in done.stdout and count > 300


def test_the_way_of_one_number_names_row_people_file_line_and_digest(folder: Path) -> None:
    one = next(
        number
        for number in numbers(folder)
        if number.get("ard_id") == "restricted.weighted.hormon.hazard_ratio"
    )
    done = run(folder, one["id"])
    assert (
        done.returncode == 0
        and one["zh"] in done.stdout
        and "ard.json restricted.weighted.hormon.hazard_ratio" in done.stdout
    )
    lines = {
        tuple(line.split(",")[2:])
        for line in gzip.decompress((folder / "data" / LINEAGE).read_bytes()).decode().splitlines()[1:]
    }
    names = {
        one["sha256"]: one["name"]
        for one in json.loads((folder / "data/08_trace/inputs.json").read_text())["files"]
    }
    told = [line.split() for line in done.stdout.splitlines() if line.startswith("    ")]
    assert len(told) == 3
    for name, _, number, digest in told:
        assert any((names[file], line, found) == (name, number, digest) for file, line, found in lines)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_draw_is_the_same_for_a_seed_and_never_more_than_there_are(folder: Path, seed: str) -> None:
    first, second = (
        run(folder, "--random", "500", "--seed", seed),
        run(folder, "--random", "500", "--seed", seed),
    )
    wanted = min(500, len(numbers(folder)))
    assert first.returncode == 0 and first.stdout == second.stdout and f"{wanted} / {wanted}" in first.stdout


def test_a_number_of_an_overseas_trial_ends_in_the_protocol(folder: Path) -> None:
    one = next(number for number in numbers(folder) if number.get("ard_id") == "overseas.hazard_ratio")
    assert "protocol.json" in run(folder, one["id"]).stdout
    edit(folder, "01_protocol/protocol.json", lambda document: document.update(overseas=None))
    lost = run(folder, one["id"])
    assert lost.returncode == 1 and f"✗ {one['id']}" in lost.stdout


def test_an_aggregate_package_ends_at_the_row_and_its_people(tmp_path: Path) -> None:
    built = build(dataclasses.replace(small_inputs(), audience="aggregate"), tmp_path)
    done = run(built.folder, "--all")
    assert done.returncode == 0 and "来源行" not in done.stdout
    one = next(
        number for number in numbers(built.folder) if number.get("ard_id", "").startswith("restricted.")
    )
    assert "人 · people" in run(built.folder, one["id"]).stdout


def test_a_subject_without_any_line_is_told(folder: Path) -> None:
    keep_lines(folder, lambda line: not line.startswith("7,"))
    done = run(folder, "--all")
    assert done.returncode == 1 and "row 7 of" in done.stdout and "✗" in done.stdout.splitlines()[-1]


def test_a_line_of_a_file_that_no_hospital_sent_is_told(folder: Path) -> None:
    edit(folder, "08_trace/inputs.json", lambda document: document.update(files=[]))
    done = run(folder, "--all")
    assert done.returncode == 1 and "not in inputs.json" in done.stdout


def test_a_row_set_that_lost_somebody_is_told(folder: Path) -> None:
    edit(folder, ROW_SETS, lambda document: [rows.pop() for rows in document["row_sets"].values()])
    assert run(folder, "--all").returncode == 1


@pytest.mark.parametrize(
    "arguments", [(), ("--all", "n0001"), ("--random", "-3"), ("--all", "--random", "3")]
)
def test_a_wrong_use_is_said_with_two(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run(folder, *arguments).returncode == 2


@pytest.mark.parametrize("id", ["n9999", "../../etc/passwd", "", "n0001\x1b[2J"])
def test_a_number_that_the_package_does_not_print_is_named_as_lost(folder: Path, id: str) -> None:
    done = run(folder, id)
    assert done.returncode == 1 and "0 / 1" in done.stdout


@pytest.mark.parametrize("name", ["06_report/numbers.json", ARD, LINEAGE, ROW_SETS])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"numbers": 3}', b"\x1f\x8b\x08"])
def test_a_broken_file_ends_in_words_and_never_in_a_traceback(
    folder: Path, name: str, content: bytes
) -> None:
    (folder / "data" / name).write_bytes(content)
    done = run(folder, "--all")
    assert done.returncode == 1 and not done.stderr and "✗" in done.stdout


def test_it_reads_a_share_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "share"))
    for path in copy.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert run(copy, "--all").returncode == 0
        assert not list(copy.rglob("__pycache__"))
    finally:
        for path in copy.rglob("*"):
            path.chmod(0o755)
