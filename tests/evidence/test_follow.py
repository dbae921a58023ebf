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

from studies.adverse_events import DEATHS, EVENTS
from studies.dataset import INDEX, SITE
from studies.evidence.package import build
from studies.evidence.templates import follow as following
from studies.evidence.templates import verify as standalone
from studies.evidence.templates.follow import INDEX_ALONE
from studies.outcome import EVENT, STATUS, TIME
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


def of(line: str) -> str:
    """The variable of a line of the lineage."""
    return line.split(",")[1]


def test_a_variable_without_a_line_of_its_own_is_told_for_the_row_that_lacks_it(folder: Path) -> None:
    """The index line of the same row does not stand in for it."""
    keep_lines(folder, lambda line: not line.startswith("7,nodes,"))
    done = run(folder, "--all")
    assert done.returncode == 1 and "has no source line of nodes" in done.stdout and "row 7 of" in done.stdout


@pytest.mark.parametrize("variable", ["hormon", "time_days", "event", "status", "age", "index"])
def test_whatever_is_read_from_records_cannot_lose_its_lines(folder: Path, variable: str) -> None:
    keep_lines(folder, lambda line: of(line) != variable)
    done = run(folder, "--all")
    assert done.returncode == 1 and f"has no source line of {variable}" in done.stdout


def test_index_lines_alone_lead_no_number_home_that_rests_on_more(folder: Path) -> None:
    keep_lines(folder, lambda line: of(line) == "index")
    done = run(folder, "--all")
    on_rows = [one for one in numbers(folder) if one.get("ard_id", "").startswith("restricted.")]
    assert done.returncode == 1 and all(f"✗ {one['id']}:" in done.stdout for one in on_rows)


def test_those_who_are_said_to_have_a_record_are_those_who_have_its_line(folder: Path) -> None:
    """That somebody had no chemotherapy has no line; that somebody had it does."""
    counted = [
        one for one in numbers(folder) if one.get("ard_id", "").endswith("balance.chemo.comparator.subjects")
    ]
    assert counted and all(run(folder, one["id"]).returncode == 0 for one in counted)
    keep_lines(folder, lambda line: of(line) != "chemo")
    for one in counted:
        done = run(folder, one["id"])
        assert done.returncode == 1 and "0 have a source line" in done.stdout


def test_a_number_that_rests_on_the_index_event_alone_is_told_and_counted(folder: Path) -> None:
    """A count of people names no variable."""
    one = next(one for one in numbers(folder) if one.get("ard_id", "").startswith("restricted.weighted."))

    def names_none(document: dict[str, Any]) -> None:
        next(row for row in document["rows"] if row["id"] == one["ard_id"])["variables"] = []

    assert "of them 0 by" in run(folder, "--all").stdout.splitlines()[-1]
    edit(folder, ARD, names_none)
    done = run(folder, one["id"])
    assert done.returncode == 0 and done.stdout.count(INDEX_ALONE) == 2 and "of them 1 by" in done.stdout


def test_a_variable_that_the_protocol_does_not_have_is_told(folder: Path) -> None:
    def another(document: dict[str, Any]) -> None:
        for row in document["rows"]:
            row["variables"] = [*row["variables"], "luck"]

    edit(folder, ARD, another)
    done = run(folder, "--all")
    assert done.returncode == 1 and "the protocol has no variable luck" in done.stdout


@pytest.mark.parametrize("program", [following, standalone])
def test_the_programs_that_travel_name_variables_as_the_platform_does(program: Any) -> None:
    """They cannot ask it."""
    assert program.INDEX == INDEX and program.OF_THE_OUTCOME == (TIME, EVENT, STATUS)
    assert program.WITHOUT_LINES == (SITE, EVENTS, DEATHS)


def spoilt(folder: Path, keep: Callable[[str], bool]) -> list[str]:
    """What verify.py says of the trace once other lines are gone."""
    keep_lines(folder, keep)
    members = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    findings = standalone.Findings()
    standalone.check_trace(members, findings)
    return [f"{one.place} {one.en}" for one in findings.failures]


def test_verify_asks_for_the_same_lines(folder: Path) -> None:
    assert spoilt(folder, lambda line: True) == []
    (one,) = {text.partition(" have ")[2] for text in spoilt(folder, lambda line: of(line) != "pgr")}
    assert one == "no source line of the variable pgr."
    found = spoilt(folder, lambda line: of(line) == "index")
    assert len(found) > 20 and any("hormon" in text for text in found)
    assert any("balance.chemo.comparator.subjects" in text for text in found)


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
