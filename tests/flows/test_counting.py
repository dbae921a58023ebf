"""Tables prepared for counting: made once for a state of the lake, gone when rows are removed, right about devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rwd_platform.flows import cohort_tables
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.cohorts import count_cohort
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sweep import sweep_leftovers
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.store.admission_guard import quiet_lake
from rwd_platform.store.lake import Lake
from studies.cohorts.written import read_written
from tests.flows.sending import CLERK, RESEARCHER, ndjson, patient, received
from tests.flows.test_cohorts import DEFINITION, diagnosis


def send(platform: Platform, first: int, last: int) -> None:
    people = [patient(f"p{number}", birthDate="1950-02-03") for number in range(first, last)]
    ill = [diagnosis(number, f"p{number}") for number in range(first, last)]
    admit_upload(platform, CLERK, received(platform, {f"{first}.ndjson": ndjson(*people, *ill)}))


def states(platform: Platform) -> list[Path]:
    return sorted(platform.layout.counting.glob("*"))


@pytest.fixture
def store(platform: Platform) -> Platform:
    send(platform, 0, 24)
    return platform


def test_a_second_count_of_one_state_prepares_nothing(
    store: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = count_cohort(store, RESEARCHER, DEFINITION)
    assert len(states(store)) == 1
    monkeypatch.setattr(cohort_tables, "_write", None)  # whoever prepares again fails
    assert count_cohort(store, RESEARCHER, DEFINITION) == first


def test_after_an_upload_the_new_state_is_counted_and_the_old_one_is_gone(store: Platform) -> None:
    count_cohort(store, RESEARCHER, DEFINITION)
    [old] = states(store)
    send(store, 24, 70)
    found = count_cohort(store, RESEARCHER, DEFINITION)
    assert (found.steps[0].remaining or 0) > 60
    [new] = states(store)
    assert new != old


def test_whoever_removes_rows_of_the_lake_removes_what_was_prepared_of_them(store: Platform) -> None:
    """Compaction, a rotation of keys and an erasure all hold the lake quiet."""
    count_cohort(store, RESEARCHER, DEFINITION)
    with quiet_lake(store.layout, lambda upload: is_admitted(store, upload)):
        assert states(store) == []


def test_the_sweep_leaves_the_present_state_and_takes_others(store: Platform) -> None:
    count_cohort(store, RESEARCHER, DEFINITION)
    [present] = states(store)
    old = store.layout.counting / ("0" * 32)
    old.mkdir()
    (old / "condition.parquet").write_bytes(b"a patient's row")
    assert sweep_leftovers(store)["counting"] == 1
    assert states(store) == [present]


def test_a_large_lake_is_prepared_ahead_and_a_small_one_by_whoever_counts(
    store: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort_tables.prepare_counting(store)
    assert states(store) == []
    monkeypatch.setattr(cohort_tables, "RESOURCES_AHEAD", 48)  # 24 patients with a diagnosis each
    cohort_tables.prepare_counting(store)
    assert len(states(store)) == 1


def test_an_empty_lake_is_counted_too(platform: Platform) -> None:
    cohort_tables.prepare_counting(platform)
    assert {one.remaining for one in count_cohort(platform, RESEARCHER, DEFINITION).steps} == {None}


def test_preparing_that_fails_leaves_nothing_and_is_done_again(
    store: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("rwd_platform.store.engines.duckdb.write_parquet", full)
        with pytest.raises(OSError, match="No space"):
            count_cohort(store, RESEARCHER, DEFINITION)
    assert states(store) == [] and not any(store.layout.tmp.glob("counting-*"))
    assert count_cohort(store, RESEARCHER, DEFINITION).steps[0].remaining is not None


DEVICES = """
cohort:
  language: 2
  source: {zh: 乐城, en: Lecheng}
  entry:
    title: {zh: 植入器械, en: Device implanted}
    pick: first
    events:
      - {table: device_use}
"""


def implant(number: int) -> list[dict[str, Any]]:
    """A device and the procedure that put it in."""
    device = {
        "resourceType": "Device",
        "id": f"d{number}",
        "patient": {"reference": f"Patient/p{number}"},
    }
    use = {
        "resourceType": "DeviceUseStatement",
        "id": f"u{number}",
        "status": "completed",
        "subject": {"reference": f"Patient/p{number}"},
        "device": {"reference": f"Device/d{number}"},
        "timingDateTime": "2021-05-06",
    }
    return [device, use]


def test_a_table_that_is_derived_and_not_stored_is_counted_like_a_stored_one(store: Platform) -> None:
    """An empty table in its place would say that nobody has a device."""
    devices = [one for number in range(20) for one in implant(number)]
    admit_upload(store, CLERK, received(store, {"devices.ndjson": ndjson(*devices)}))
    assert "device_use" not in Lake(store.layout).tables()
    with cohort_tables.counting_engine(store, read_written(DEVICES, "cohort").cohort, None) as engine:
        assert engine.tables["device_use"].count().to_pyarrow().as_py() == 20


def test_no_period_of_observation_tells_an_outcome(platform: Platform) -> None:
    """A death moves nobody into a count or out of it, in the editor nor, later, at the lock."""
    people = [patient(f"p{number}", deceasedDateTime="2023-07-08") for number in range(3)]
    ill = [diagnosis(number, f"p{number}") for number in range(3)]
    admit_upload(platform, CLERK, received(platform, {"all.ndjson": ndjson(*people, *ill)}))
    assert "outcome_event" in Lake(platform.layout).tables()
    with cohort_tables.counting_engine(platform, read_written(DEFINITION, "cohort").cohort, None) as engine:
        last = engine.tables["observation_period"]["last_date"].max().to_pyarrow().as_py()
    assert last < 19_000  # days: before the year 2022
