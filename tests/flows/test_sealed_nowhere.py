"""Nothing of a sealed number is kept anywhere: database, results zone, packages, jobs, log, the program's own log."""

# ruff: noqa: F811 - fixtures are arguments of their own name
from __future__ import annotations

import json
import logging
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.flows.jobs import enqueue, work_once
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import newest_run
from rwd_platform.flows.unseal_results import decide_unsealing
from rwd_platform.records.tables import Study, UnsealingRequest
from studies.evidence.ard_parquet import ARD_PARQUET, ard_parquet, read_ard_parquet
from studies.results import ArdRow, ResultSet
from tests.conftest import StandingClock
from tests.flows import erasing
from tests.flows.sending import RESEARCHER
from tests.flows.test_unseal_results import AGREED, ask, platform, study  # noqa: F401 - the fixtures of that file
from tests.flows.unsealing import SECOND

DIGITS = 9  # so many characters of an estimate are nobody's count, day or digest by chance


def numbers_only_in(whole: dict[str, Any], shown: dict[str, Any]) -> list[str]:
    """The estimates as they would be written, of rows and points that are sealed and not repeated in the open."""
    held = json.dumps(shown)
    found = [row[name] for row in whole["rows"] for name in ("value", "ci_low", "ci_high")]
    found += [value for one in whole["series"] for point in one["points"] for value in point]
    texts = {json.dumps(one) for one in found if isinstance(one, float)}
    return sorted(one for one in texts if len(one) >= DIGITS and one not in held)


def test_no_sealed_number_is_in_database_files_or_logs(
    platform: Platform, study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every sealed number of a real run is looked for, as text and as bytes of a double, wherever something is kept.

    The same numbers are found once they are unsealed: the search would have seen them.
    """
    with caplog.at_level(logging.DEBUG):
        enqueue(platform, RESEARCHER, "run", {"study_id": study.id}, key="run again")
        job = work_once(platform, "a worker")
        assert job is not None and job.state == "done"
        run = newest_run(platform, study)
        ask(platform, study)
    twin = tmp_path / "twin"
    shutil.copytree(platform.layout.home, twin, symlinks=True)
    other = erasing.opened(twin, StandingClock())
    (waiting,) = other.records.all(select(UnsealingRequest))
    decide_unsealing(other, SECOND, waiting.id, True, AGREED)
    whole = newest_run(other, study).results
    numbers = numbers_only_in(whole, run.results)
    assert len(numbers) > 15
    check_table_of_rows(run.results, whole)
    assert not [*platform.layout.home.rglob(Path(ARD_PARQUET).name)]
    needles = [one.encode() for one in numbers]
    doubles = [struct.pack(order, float(one)) for one in numbers for order in ("<d", ">d")]
    reasons = [why.encode() for id, why in whole["not_done"].items() if id not in run.results["not_done"]]

    def seen(platform: Platform) -> set[str]:
        platform.records.engine.dispose()
        places = [platform.layout.results, platform.layout.packages]
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        database = Path(str(platform.records.engine.url.database))
        files += [path for path in database.parent.glob(f"{database.name}*") if path.is_file()]
        held = {path: path.read_bytes() for path in files}
        return {
            str(path)
            for path, content in held.items()
            for one in (*needles, *doubles, *reasons)
            if one in content
        }

    assert seen(platform) == set()
    assert not any(one in caplog.text for one in numbers)
    assert any(path.endswith("records.db") or "records.db" in path for path in seen(other))


def check_table_of_rows(shown: dict[str, Any], whole: dict[str, Any]) -> None:
    """What a package would export as a typed table, made of the run as it is kept: its open rows alone.

    Parquet is compressed, so its rows are read; a search of its bytes would find nothing whatever they hold.
    """
    kept, opened = (
        read_ard_parquet(ard_parquet(ResultSet.from_dict(one, dict.fromkeys(one["row_sets"], ()))))
        for one in (shown, whole)
    )
    sealed = {row["id"] for row in whole["rows"]} - {row["id"] for row in shown["rows"]}
    hidden = {float(one) for one in numbers_only_in(whole, shown)}

    def numbers(rows: tuple[ArdRow, ...]) -> set[object]:
        return {one for row in rows for one in (row.value, row.ci_low, row.ci_high)}

    assert len(sealed) > 20 and not sealed & {row.id for row in kept}
    assert {row.id for row in kept} == {row["id"] for row in shown["rows"]}
    assert not hidden & numbers(kept) and hidden & numbers(opened)


def test_row_sets_are_of_populations_and_arms_and_of_no_outcome(platform: Platform, study: Study) -> None:
    """What lies beside a run in the results zone names people: never those who had an event, or had none."""
    from studies.protocol import ARMS, load_protocol

    run = newest_run(platform, study)
    names = set(json.loads((platform.layout.results / run.id / "row_sets.json").read_bytes()))
    populations = {"analysed", *(one.id for one in load_protocol(study.protocol).populations)}
    assert names <= populations | {f"{one}.{arm}" for one in populations for arm in ARMS}
