"""A file kept by patient: the same bytes again, one key a patient, and nothing lost when somebody pulls the plug."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import random
import tracemalloc
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.errors import PlatformError
from rwd_platform.signing.keys import demo_key_ring
from rwd_platform.store import landing as landing_module
from rwd_platform.store import segments as segments_module
from rwd_platform.store.landing import Landing
from rwd_platform.store.layout import Layout
from rwd_platform.store.line_owners import NOBODY, LineOwners
from rwd_platform.store.segments import DataKey, Gap, SegmentReader, Segments, SegmentWriter

HOSPITAL = "hospital-a"
CONTENT = b"".join(
    b'{"resourceType":"%s","id":"%d"}\n' % (kind, number)
    for number, kind in enumerate([b"Patient", b"Observation", b"Medication", b"Condition"] * 50)
)
SHA256 = hashlib.sha256(CONTENT).hexdigest()

# A frame as the program wrote it before there were segments: demo key, chunks of 64 bytes.
FORMAT_1 = base64.b64decode(
    "eyJjaHVua19ieXRlcyI6NjQsImZvcm1hdF92ZXJzaW9uIjoxLCJrZXlfaWQiOiI3ZjYxMzMyY2U3MjZjNTJiIiwic3VpdGUiOiJpbnRs"
    "Iiwid3JhcHBlZF9rZXkiOiJ2RGhzSzE0bitTYWl2dnlYRytQTWFROVhZek5BaUJkd3RJY3ZkbTBqS002U3dtaE14Q2dFQTQxSEFZclhm"
    "QytDN2w0enpPbzhOTEh4dU1vSiJ9CmC6VpdeGV34es/5Cv4zk5e3zLZnW31PiqHrtD1O4SBsuD9ODVC0dfMn9UZGRasPwKBXyGAo6PcQ"
    "X+HjIQf2oF1FpO4aD9JqdpGfZrk+13RRcGkteA0zexWe39hZ08y6Sbv8bvZa37lFMdilNEpv"
)
FORMAT_1_CONTENT = b'{"resourceType":"Patient","id":"p1"}\n{"resourceType":"Observation","id":"o1"}\n'


class Keys:
    """The patients' keys of these tests; `destroy` takes one away for good."""

    def __init__(self, suite: str = "intl") -> None:
        self.suite = suite
        self.of: dict[str, DataKey | None] = {}

    def find(self, _organisation: str, patients: Collection[str]) -> Mapping[str, DataKey | None]:
        return {one: self.of.setdefault(one, DataKey(self.suite, os.urandom(32))) for one in patients}

    def destroy(self, patient: str) -> None:
        assert patient in self.of
        self.of[patient] = None


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def landing(tmp_path: Path, keys: Keys) -> Landing:
    layout = Layout(tmp_path)
    layout.prepare()
    return Landing(layout, demo_key_ring(), patient_keys=keys.find)


def land(landing: Landing, content: bytes = CONTENT) -> str:
    with landing.begin(HOSPITAL) as incoming:
        incoming.write(content)
        return incoming.finish().sha256


def owners_of(*runs: tuple[int, int, str]) -> LineOwners:
    owners = LineOwners()
    for run in runs:
        owners.add(*run)
    return owners


def every_third() -> LineOwners:
    """Line 1 of a, 2 of b, 3 nobody's, 4 of a, ..."""
    return owners_of(*((line, 1, "ab"[line % 3 - 1]) for line in range(1, 201) if line % 3))


def read(landing: Landing, sha256: str = SHA256) -> bytes:
    with landing.open(HOSPITAL, sha256) as stream:
        return stream.read()


def names(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "landing").rglob("*") if path.is_file())


# -- whose line it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], ["", "", "", ""]),
        ([(1, 1, "a"), (2, 1, "a"), (4, 1, "b")], ["a", "a", "", "b"]),
        ([(2, 2, "a")], ["", "a", "a", ""]),  # a cell of a table may hold a line break
        ([(1, 1, ""), (2, 1, "a"), (2, 1, "a")], ["", "a", "", ""]),  # one row, two resources
        ([(2, 1, ""), (2, 1, "a"), (2, 1, "")], ["", "a", "", ""]),  # one of them about nobody
        ([(1, 1, "a"), (2, 1, "a"), (2, 1, "b")], ["a", "", "", ""]),  # a row of two patients
        ([(1, 1, "a"), (2, 1, "b"), (2, 1, "a"), (2, 1, "b"), (3, 1, "b")], ["a", "", "b", ""]),
        ([(4, 9, "a")], ["", "", "", "a"]),  # behind the end there is nothing to own
    ],
)
def test_a_line_belongs_to_the_patient_of_its_resources(
    runs: list[tuple[int, int, str]], expected: list[str]
):
    """A row of two patients is nobody's: it cannot be cut, and must not vanish with one of them."""
    cut = list(owners_of(*runs).cut(io.BytesIO(b"1\n2\r\n3\n4")))
    assert [owner for owner, _ in cut] == expected
    assert b"".join(piece for _, piece in cut) == b"1\n2\r\n3\n4"


def test_a_long_line_is_one_patients_however_many_pieces_it_is_read_in():
    long = b"x" * 300_000
    cut = list(owners_of((2, 1, "a")).cut(io.BytesIO(b"0\n" + long + b"\n2\n")))
    assert b"".join(piece for owner, piece in cut if owner == "a") == long + b"\n"
    assert max(len(piece) for _, piece in cut) <= 1 << 16


def test_rows_out_of_order_are_the_programs_own_mistake():
    with pytest.raises(ValueError, match="in order"):
        owners_of((5, 1, "a"), (3, 1, "b"))


# -- the same bytes -----------------------------------------------------------------------------------


def test_a_segmented_file_gives_the_bytes_that_the_hospital_sent(landing: Landing, tmp_path: Path):
    """Raw bytes are the record of truth: cut by patient and put together again, they are the same file."""
    land(landing)
    assert landing.segment(HOSPITAL, SHA256, every_third())
    assert names(tmp_path) == [f"{SHA256}.seg"]
    assert landing.holds(HOSPITAL, SHA256) and landing.is_segmented(HOSPITAL, SHA256)
    assert read(landing) == CONTENT
    assert b"".join(landing.rebuild(HOSPITAL, SHA256)) == CONTENT  # type: ignore[arg-type]


LINES = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "c"]), st.binary(max_size=40)), min_size=0, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(LINES, st.integers(1, 200), st.sampled_from(["intl", "gm"]), st.booleans())
def test_whatever_the_lines_and_however_large_the_windows_the_bytes_come_back(
    lines: list[tuple[str, bytes]], window: int, suite: str, ends: bool
):
    """Any bytes, any owners, windows smaller than a line: exact, and each patient's bytes under that key alone."""
    keys = Keys(suite)
    sink = io.BytesIO()
    ring = demo_key_ring(suite)
    writer = SegmentWriter(sink, ring, HOSPITAL, keys.find, window_bytes=window)
    parts = [(owner, line.replace(b"\n", b"") + b"\n") for owner, line in lines]
    if parts and not ends:
        parts[-1] = (parts[-1][0], parts[-1][1][:-1])
    for owner, part in parts:
        writer.write(owner, part)
    writer.close()
    content = b"".join(part for _, part in parts)

    def opened() -> Segments:
        return Segments(io.BytesIO(sink.getvalue()), ring, HOSPITAL, "x.seg", keys.find)

    assert b"".join(opened().pieces()) == content  # type: ignore[arg-type]
    assert (opened().bytes, opened().sha256) == (len(content), hashlib.sha256(content).hexdigest())
    if "a" in keys.of:
        keys.destroy("a")
        pieces = list(opened().pieces())
        lost = sum(piece.bytes for piece in pieces if isinstance(piece, Gap))
        assert lost == sum(len(part) for owner, part in parts if owner == "a")
        kept = b"".join(piece for piece in pieces if isinstance(piece, bytes))
        assert kept == b"".join(part for owner, part in parts if owner != "a")


def test_a_file_of_many_patients_needs_the_memory_of_a_few_windows(landing: Landing):
    """No buffer grows with the file or with its patients: 40 MB of 2,000 patients, less than 24 MB held."""
    chance, count, line = random.Random(7), 30_000, b"x" * 1333 + b"\n"
    owners = LineOwners()
    with landing.begin(HOSPITAL) as incoming:
        for number in range(count):
            incoming.write(line)
            owners.add(number + 1, 1, f"p{chance.randrange(2000)}")
        sha256 = incoming.finish().sha256
    tracemalloc.start()
    landing.segment(HOSPITAL, sha256, owners)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20 < count * len(line)


def test_an_empty_file_can_be_segmented_too(landing: Landing):
    sha256 = land(landing, b"")
    assert landing.segment(HOSPITAL, sha256, LineOwners())
    assert read(landing, sha256) == b""


def test_no_line_and_no_patient_stands_in_the_file_in_clear(landing: Landing, tmp_path: Path):
    """Neither what was sent nor of whom it is: the index that knows whose lines there are is sealed as well."""
    land(landing)
    owners = owners_of((1, 1, "pseudonym-of-somebody"))
    landing.segment(HOSPITAL, SHA256, owners)
    stored = (tmp_path / "landing" / HOSPITAL / SHA256[:2] / f"{SHA256}.seg").read_bytes()
    for secret in (b"Patient", b"pseudonym-of-somebody", b"resourceType"):
        assert secret not in stored


# -- format 1 stays readable --------------------------------------------------------------------------


def test_a_file_of_format_1_written_by_an_earlier_version_opens_and_can_be_segmented(
    landing: Landing, tmp_path: Path
):
    """What was received before there were segments stays readable for ever, and may be re-written any time."""
    sha256 = hashlib.sha256(FORMAT_1_CONTENT).hexdigest()
    blob = tmp_path / "landing" / HOSPITAL / sha256[:2] / f"{sha256}.raw"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(FORMAT_1)
    assert read(landing, sha256) == FORMAT_1_CONTENT
    assert b"".join(landing.rebuild(HOSPITAL, sha256, gaps=True)) == FORMAT_1_CONTENT  # type: ignore[arg-type]
    assert not landing.is_segmented(HOSPITAL, sha256)
    assert landing.segment(HOSPITAL, sha256, owners_of((1, 2, "p1")))
    assert not blob.exists() and read(landing, sha256) == FORMAT_1_CONTENT


def test_the_same_content_again_makes_no_second_copy_under_one_key(landing: Landing, tmp_path: Path):
    """A blob beside the segments would outlive the patient's key."""
    land(landing)
    landing.segment(HOSPITAL, SHA256, every_third())
    with landing.begin(HOSPITAL) as incoming:
        incoming.write(CONTENT)
        assert incoming.finish().already
    assert names(tmp_path) == [f"{SHA256}.seg"]
    assert not landing.segment(HOSPITAL, SHA256, every_third()), "done again, it has nothing to do"


# -- a patient's key is destroyed ---------------------------------------------------------------------


def test_with_one_patients_key_destroyed_that_patient_is_gone_and_the_rest_is_there(
    landing: Landing, keys: Keys
):
    """Erasure by key: no list of files to re-write, and everybody else's lines stay as they were sent."""
    land(landing)
    landing.segment(HOSPITAL, SHA256, every_third())
    keys.destroy("a")
    lines = CONTENT.splitlines(keepends=True)
    pieces = list(landing.rebuild(HOSPITAL, SHA256, gaps=True))
    kept = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert kept == b"".join(line for number, line in enumerate(lines, 1) if number % 3 != 1)
    gaps = [piece for piece in pieces if isinstance(piece, Gap)]
    assert {gap.patient_id for gap in gaps} == {"a"}
    assert sum(gap.bytes for gap in gaps) == len(CONTENT) - len(kept)


def test_reading_the_whole_file_then_says_whose_lines_it_cannot_give(landing: Landing, keys: Keys):
    """By pseudonym and number, never by a quiet end of file."""
    land(landing)
    landing.segment(HOSPITAL, SHA256, every_third())
    keys.destroy("b")
    with pytest.raises(PlatformError) as caught:
        read(landing)
    assert (caught.value.code, caught.value.details["count"], caught.value.details["patients"]) == (
        "raw.patient_destroyed", 1, "b",
    )  # fmt: skip
    with pytest.raises(PlatformError, match=r"raw\.patient_destroyed"):
        next(iter(landing.rebuild(HOSPITAL, SHA256)))


def test_of_many_destroyed_patients_the_first_few_are_named(landing: Landing, keys: Keys):
    land(landing)
    patients = [f"p{number}" for number in range(9)]
    landing.segment(HOSPITAL, SHA256, owners_of(*((n + 1, 1, one) for n, one in enumerate(patients))))
    for patient in patients:
        keys.destroy(patient)
    with pytest.raises(PlatformError, match=r"9 of its patients were destroyed \(p0, p1, p2, …\)"):
        read(landing)


# -- damage -------------------------------------------------------------------------------------------


def stored(landing: Landing, tmp_path: Path) -> Path:
    land(landing)
    landing.segment(HOSPITAL, SHA256, every_third())
    return tmp_path / "landing" / HOSPITAL / SHA256[:2] / f"{SHA256}.seg"


def test_a_changed_byte_anywhere_is_noticed(landing: Landing, tmp_path: Path):
    """In the header, a layout, a chunk, the index or the trailer: an error, never other bytes."""
    path = stored(landing, tmp_path)
    whole = path.read_bytes()
    chance = random.Random(3)
    for at in [0, 60, len(whole) - 1, len(whole) - 9, *chance.sample(range(len(whole)), 60)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(PlatformError, match=r"raw\.(damaged|wrong_key|version_unknown)"):
            read(landing)


@pytest.mark.parametrize("keep", [0, 10, 300, -1, -9, -200])
def test_a_file_that_was_cut_is_noticed(landing: Landing, tmp_path: Path, keep: int):
    path = stored(landing, tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PlatformError, match=r"raw\.damaged"):
        read(landing)


def test_segments_of_another_file_under_this_name_are_noticed(landing: Landing, tmp_path: Path):
    path = stored(landing, tmp_path)
    other = land(landing, b"other\n")
    landing.segment(HOSPITAL, other, LineOwners())
    path.write_bytes((path.parents[1] / other[:2] / f"{other}.seg").read_bytes())
    with pytest.raises(PlatformError, match="not what its name says"):
        read(landing)


def test_a_chunk_of_another_file_does_not_fit(keys: Keys):
    """Same patient, same key, same length, same place: every part is bound to its own file's header."""
    framed = []
    for content in (b"one\n", b"two\n"):
        sink = io.BytesIO()
        writer = SegmentWriter(sink, demo_key_ring(), HOSPITAL, keys.find)
        writer.write("a", content)
        writer.close()
        framed.append(sink.getvalue())
    one, two = framed
    start = Segments(io.BytesIO(one), demo_key_ring(), HOSPITAL, "x", keys.find)._windows[0]
    chunk = slice(sum(start), sum(start) + 4 + 28)
    mixed = one[: chunk.start] + two[chunk] + one[chunk.stop :]
    with pytest.raises(PlatformError, match=r"raw\.damaged.*chunk 0 0"):
        list(Segments(io.BytesIO(mixed), demo_key_ring(), HOSPITAL, "x", keys.find).pieces())


def test_another_hospital_or_another_root_key_opens_nothing(landing: Landing, tmp_path: Path, keys: Keys):
    path = stored(landing, tmp_path)
    for ring, hospital in ((demo_key_ring(), "hospital-b"), (type(demo_key_ring())(b"k" * 32), HOSPITAL)):
        with path.open("rb") as source, pytest.raises(PlatformError, match=r"raw\.wrong_key"):
            Segments(source, ring, hospital, "x", keys.find)


def test_a_patient_whose_key_is_not_on_record_is_named_as_damage(landing: Landing, tmp_path: Path):
    """A database restored without its keys is not the same as a patient who was erased."""
    stored(landing, tmp_path)
    without = Landing(Layout(tmp_path), demo_key_ring())
    with pytest.raises(PlatformError, match=r"raw\.damaged.*key is not on record"):
        read(without)


def test_a_version_that_this_program_does_not_know_is_named(landing: Landing, tmp_path: Path):
    path = stored(landing, tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"format_version":2', b'"format_version":3', 1))
    with pytest.raises(PlatformError, match=r"raw\.version_unknown"):
        read(landing)


# -- crashes ------------------------------------------------------------------------------------------


def in_a_child_that_dies(work: Callable[[], object], step: int) -> bool:
    """Do the work in another process that is gone before its step-th change of the disk. False: it lived on."""
    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def dying(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **more: object) -> object:
                if next(left, None) is None:
                    os._exit(9)
                return real(*arguments, **more)

            return call

        for name in ("fsync", "link"):
            setattr(landing_module.os, name, dying(getattr(os, name)))
        Path.unlink = dying(Path.unlink)  # type: ignore[method-assign]
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_killed_at_any_step_one_of_the_two_forms_is_complete(landing: Landing, tmp_path: Path, keys: Keys):
    """Segments are whole and durable before the blob goes, so there is no moment without the record of truth."""
    keys.find(HOSPITAL, ["", "a", "b"])  # the child must not make keys of its own
    step = 0
    while True:
        land(landing)
        if not in_a_child_that_dies(lambda: landing.segment(HOSPITAL, SHA256, every_third()), step):
            break
        assert any(name.startswith(SHA256) for name in names(tmp_path)), step
        assert read(landing) == CONTENT, step
        landing.sweep()
        assert not [name for name in names(tmp_path) if name.endswith(".part")], step
        landing.segment(HOSPITAL, SHA256, every_third())
        assert names(tmp_path) == [f"{SHA256}.seg"] and read(landing) == CONTENT, step
        (tmp_path / "landing" / HOSPITAL / SHA256[:2] / f"{SHA256}.seg").unlink()
        step += 1
    assert step >= 6, "fsync, link, part away, fsync, blob away, fsync"


def test_what_does_not_read_back_right_replaces_nothing(
    landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A disk that writes other bytes than it was given: found before the blob is touched."""
    land(landing)
    real = SegmentWriter.close

    def wrong(writer: SegmentWriter) -> None:
        real(writer)
        writer._sink.flush()
        writer._sink.seek(writer._windows[0][0] + 40)
        writer._sink.write(b"\x00\x00")

    monkeypatch.setattr(SegmentWriter, "close", wrong)
    with pytest.raises(PlatformError, match=r"raw\.damaged"):
        landing.segment(HOSPITAL, SHA256, every_third())
    assert names(tmp_path) == [f"{SHA256}.raw"] and read(landing) == CONTENT


def test_a_full_disk_leaves_the_blob(landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    land(landing)

    def open_part(path: Path) -> object:
        path.touch()
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(landing_module, "open_part", open_part)
    with pytest.raises(PlatformError, match=r"landing\.disk_full"):
        landing.segment(HOSPITAL, SHA256, every_third())
    assert names(tmp_path) == [f"{SHA256}.raw"] and read(landing) == CONTENT


def test_a_reader_that_began_with_the_blob_ends_with_it(landing: Landing):
    """A download in progress goes on while the file is re-written under it."""
    land(landing)
    with landing.open(HOSPITAL, SHA256) as stream:
        begun = stream.read(10)
        landing.segment(HOSPITAL, SHA256, every_third())
        assert begun + stream.read() == CONTENT


def test_a_patient_without_a_key_stops_the_writer_before_anything_is_sealed():
    writer = SegmentWriter(io.BytesIO(), demo_key_ring(), HOSPITAL, lambda _org, _ids: {})
    writer.write("a", b"line\n")
    with pytest.raises(ValueError, match="has a key before"):
        writer.close()


def test_a_small_read_and_a_large_one_give_the_same(landing: Landing, tmp_path: Path, keys: Keys):
    """gzip, zip and the line reader each ask for bytes in sizes of their own."""

    def sizes() -> Iterator[int]:
        yield from [1, 7, 64, 5000, 1 << 20]

    path = stored(landing, tmp_path)
    for size in sizes():
        with path.open("rb") as source:
            segments = Segments(source, demo_key_ring(), HOSPITAL, "x", keys.find)
            reader = SegmentReader(segments, source, expected_sha256=SHA256)
            assert b"".join(iter(lambda reader=reader, size=size: reader.read(size), b"")) == CONTENT
    assert segments_module.FORMAT_VERSION == 2 and NOBODY == ""
