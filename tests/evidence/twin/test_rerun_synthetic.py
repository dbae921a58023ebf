"""`rerun.py --synthetic` as a reviewer runs it: in a folder of its own, with the code that is in the package."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from studies.evidence.code import result_code
from studies.evidence.documents import json_bytes
from studies.evidence.templates import rerun
from studies.evidence.twin import twin_files
from tests.evidence.twin.protocols import NAMES, protocol_of, results_of, text_of, twin_of

EXPECTED = "data/07_code/expected/ard.json"
Folders = Callable[[str], Path]


@cache
def _files(name: str) -> dict[str, bytes]:
    """What `rerun.py --synthetic` reads of a package."""
    files = {f"data/07_code/src/{path}": text.encode() for path, text in result_code().items()}
    files |= twin_files(protocol_of(name), twin_of(name), results_of(name))
    files["data/07_code/rerun.py"] = Path(rerun.__file__).read_bytes()
    files["data/01_protocol/protocol.yaml"] = text_of(name).encode()
    return files


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    @cache
    def folder(name: str) -> Path:
        made = tmp_path_factory.mktemp(name)
        for path, content in _files(name).items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_bytes(content)
        return made

    return folder


@pytest.fixture
def package(written: Folders, tmp_path: Path) -> Path:
    """A package of the invented study that a test may spoil."""
    return Path(shutil.copytree(written("stent"), tmp_path / "package"))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Isolated (-I): neither this repository nor the caller's environment is where modules are looked for first."""
    command = [sys.executable, "-I", str(folder / "data/07_code/rerun.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent, env={})


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def spoil(package: Path, change: Callable[[Any], object]) -> None:
    stored = json.loads((package / EXPECTED).read_text("utf-8"))
    change(stored)
    (package / EXPECTED).write_bytes(json_bytes(stored))


def row_of(stored: Any, id: str) -> Any:
    return next(one for one in stored["rows"] if one["id"] == id)


@pytest.mark.parametrize("name", NAMES)
def test_every_expected_row_comes_out_bit_for_bit_on_the_machine_that_made_it(name, written):
    """And the folder is left as it was: a package that was run still verifies."""
    folder = written(name)
    before, rows = hashes(folder), len(results_of(name).rows)
    done = run(folder, "--synthetic")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{rows} rows the same bit for bit" in done.stdout
    assert f"{rows} result rows, 0 differ" in done.stdout and f"{rows} 行结果，0 行不同" in done.stdout
    assert hashes(folder) == before


def test_the_code_that_runs_is_the_packages_own(package):
    """Not a copy of this repository that happens to be installed beside it."""
    (package / "data/07_code/src/studies/run.py").write_text("raise SystemExit(71)\n")
    assert run(package, "--synthetic").returncode == 71


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--synthetic", "--lock", "."),
        ("--lock", ".", "--synthetic"),
        ("--lock",),
        ("--lock", "no/such/folder"),
        ("--lock", "package/data/07_code/rerun.py"),
        ("--synthetic", "--unheard"),
        ("--synthetic", "extra"),
    ],
)
def test_wrong_use_is_exit_2_and_nothing_is_computed(arguments, package):
    """One of the two options, and not both."""
    done = run(package, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr and "Traceback" not in done.stderr


def test_help_is_in_both_languages_and_names_both_ways(package):
    done = run(package, "--help")
    assert done.returncode == 0
    assert "--lock" in done.stdout and "--synthetic" in done.stdout and "复算" in done.stdout


def test_whatever_differs_is_listed(package):
    """A count off by one, a number off in its seventh digit, another word, a gap, a row more and a row less."""
    ids = {one.id: one for one in results_of("stent").rows}
    count, number, gap = (
        "cohort.subjects.analysed",
        "all.crude.stent.hazard_ratio",
        "all.crude.stent.standard_error",
    )
    word = next(id for id, one in ids.items() if isinstance(one.value, str))
    gone = "all.crude.stent.p_value"
    assert {count, number, gap, gone} <= ids.keys()

    def change(stored: Any) -> None:
        row_of(stored, count)["value"] += 1
        row_of(stored, number)["ci_high"] *= 1.0000001
        row_of(stored, word)["value"] += "!"
        row_of(stored, gap)["value"] = None
        stored["rows"].remove(row_of(stored, gone))
        stored["rows"].append({**stored["rows"][0], "id": "invented.row"})
        stored["not_done"]["all.invented"] = "为何 / why"
        stored["row_sets"]["all"]["subjects"] += 1
        del stored["row_sets"]["old"]

    spoil(package, change)
    done = run(package, "--synthetic")
    listed = {line.removeprefix("✗ ") for line in done.stdout.splitlines() if line.startswith("✗")}
    assert done.returncode == 1, done.stderr
    sets = {"row_sets: all", "row_sets: old", "not_done: all.invented"}
    assert listed == {count, number, word, gap, gone, "invented.row"} | sets
    assert "6 differ" in done.stdout and "3 differ" in done.stdout  # rows, and the rest


def test_a_last_bit_that_differs_is_within_the_tolerance_and_is_counted(package):
    """Another machine's linear algebra: exit 0, and the reader sees how many rows are the same bit for bit."""

    def change(stored: Any) -> None:
        row_of(stored, "all.crude.stent.hazard_ratio")["value"] *= 1 + 1e-12

    spoil(package, change)
    done = run(package, "--synthetic")
    assert done.returncode == 0, done.stdout
    assert f"{len(results_of('stent').rows) - 1} rows the same bit for bit" in done.stdout


def says(package: Path, place: str) -> None:
    done = run(package, "--synthetic")
    assert done.returncode == 1, done.stdout
    assert done.stdout.startswith(f"✗ {place}：") and done.stderr == ""


@pytest.mark.parametrize(
    "place",
    [
        "07_code/synthetic/subject.csv",
        "07_code/synthetic/drug_exposure.csv",
        "07_code/synthetic/tables.json",
        "07_code/expected/ard.json",
        "01_protocol/protocol.yaml",
    ],
)
def test_a_missing_file_is_named(place, package):
    (package / "data" / place).unlink()
    says(package, place)


@pytest.mark.parametrize(
    "place", ["07_code/synthetic/measurement.csv", "07_code/synthetic/outcome_event.csv"]
)
def test_an_edited_table_is_named(place, package):
    path = package / "data" / place
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))
    says(package, place)


def test_a_table_that_was_put_in_is_named(package):
    (package / "data/07_code/synthetic/patients.csv").write_text("name\nx\n")
    says(package, "07_code/synthetic/patients.csv")


def test_another_protocol_beside_the_same_expected_results_is_named(package):
    """Whoever edits the protocol cannot keep the results that it did not give."""
    path = package / "data/01_protocol/protocol.yaml"
    path.write_bytes(path.read_bytes() + b"\n# another\n")
    says(package, "07_code/expected/ard.json")


def test_tables_of_another_protocol_are_named(package):
    path = package / "data/07_code/synthetic/tables.json"
    path.write_bytes(json_bytes({**json.loads(path.read_text("utf-8")), "protocol_sha256": "0" * 64}))
    says(package, "07_code/synthetic/tables.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.pop("rows"),
        lambda stored: stored.pop("lock_id"),
        lambda stored: stored.pop("protocol_sha256"),
        lambda stored: stored.update(not_done=[]),
        lambda stored: stored.update(row_sets=None),
        lambda stored: stored["rows"].append(None),
        lambda stored: stored["rows"][0].pop("id"),
        lambda stored: stored["rows"][0].update(value=[1]),
        lambda stored: stored["rows"][0].pop("n"),
        lambda stored: stored["rows"][0].update(value=10**400),
    ],
)  # fmt: skip
def test_expected_results_of_another_shape_are_named(change, package):
    spoil(package, change)
    says(package, "07_code/expected/ard.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_expected_results_that_are_no_json_are_named(content, package):
    (package / EXPECTED).write_bytes(content)
    says(package, "07_code/expected/ard.json")


@pytest.mark.parametrize(
    ("stored", "found", "same"),
    [
        (5, 5, True),
        (5, 6, False),
        (10**15, 10**15 + 1, False),
        (1.0, 1.0 + 1e-10, True),
        (1.0, 1.0 + 1e-8, False),
        (0.0, 1e-13, True),
        (0.0, 1e-11, False),
        (1e12, 1e12 + 100, True),
        (None, None, True),
        (None, 0.0, False),
        (0, None, False),
        ("met", "met", True),
        ("met", "not met", False),
        ("1", 1, False),
    ],
)
def test_counts_words_and_gaps_agree_exactly_and_other_numbers_within_the_tolerance(stored, found, same):
    assert rerun.agree(stored, found) is same and rerun.agree(found, stored) is same


def test_the_program_needs_nothing_but_python_until_it_computes():
    """Wrong use and a spoilt package are told also where pandas is not installed; old Pythons can read it."""
    import ast

    tree = ast.parse(Path(rerun.__file__).read_text("utf-8"), feature_version=(3, 8))
    top = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    top |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {one.partition(".")[0] for one in top} <= set(sys.stdlib_module_names)
