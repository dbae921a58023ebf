"""Receipts: one digest a unit, from a number in a report back to a line in a hospital's file."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rwd_platform.core.errors import PlatformError
from rwd_platform.signing.keys import demo_key_ring
from rwd_platform.store.layout import Layout, open_part
from rwd_platform.store.receipts import (
    ReceiptLine,
    line_digest,
    read_receipt,
    sweep,
    write_receipt,
)

FILE = "a" * 64
KEY = demo_key_ring().derive("line-digest", "hospital-a", FILE)
LINES = (
    ReceiptLine(FILE, 1, None, None, line_digest(KEY, b"{}"), "accepted"),
    ReceiptLine(FILE, 2, 3, None, line_digest(KEY, b"[]"), "rejected"),
    ReceiptLine(FILE, 4, None, 7, line_digest(KEY, b"a,b"), "duplicate"),
)


def test_a_digest_is_the_published_hmac():
    """RFC 4231, test case 2: the hospital's own programmer can compute the same with any library."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert line_digest(b"Jefe", b"what do ya want for nothing?") == expected


def test_a_receipt_holds_what_a_hospital_needs_to_recompute_it(tmp_path: Path):
    """The key of every file is in the receipt. With it and the file, standard tools give each digest."""
    path = tmp_path / "receipts" / "u.jsonl.gz"
    write_receipt(path, {FILE: KEY}, LINES)
    header, first, *_ = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert header == {"format_version": 1, "files": [{"file_sha256": FILE, "digest_key": KEY.hex()}]}
    recomputed = hmac.new(bytes.fromhex(header["files"][0]["digest_key"]), b"{}", hashlib.sha256)
    assert first == {
        **{"file_sha256": FILE, "line": 1, "entry": None, "row": None},
        **{"digest": recomputed.hexdigest(), "outcome": "accepted", "member": ""},
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_receipt_reads_as_it_was_written_and_more_than_once(tmp_path: Path):
    """Lines are read from the file each time; a receipt of a million lines needs no memory."""
    path = tmp_path / "u.jsonl.gz"
    write_receipt(path, {FILE: KEY}, iter(LINES))
    receipt = read_receipt(path)
    assert receipt.digest_keys == {FILE: KEY}
    assert tuple(receipt.lines()) == LINES
    assert tuple(receipt.lines()) == LINES


def test_the_same_upload_gives_the_same_bytes(tmp_path: Path):
    """No time and no name in it: a receipt can be compared byte by byte, and is replaced by its equal."""
    one, two = tmp_path / "one.gz", tmp_path / "two.gz"
    write_receipt(one, {FILE: KEY, "b" * 64: b"k"}, LINES)
    write_receipt(two, {"b" * 64: b"k", FILE: KEY}, LINES)
    assert one.read_bytes() == two.read_bytes()
    write_receipt(one, {FILE: KEY, "b" * 64: b"k"}, LINES)
    assert one.read_bytes() == two.read_bytes()


def test_an_upload_without_a_unit_has_a_receipt_without_a_line(tmp_path: Path):
    """Nothing came, and that is on record."""
    write_receipt(tmp_path / "u.gz", {}, ())
    assert tuple(read_receipt(tmp_path / "u.gz").lines()) == ()


def test_a_failure_while_writing_leaves_the_old_receipt_and_no_part(tmp_path: Path):
    """A receipt is there whole or as it was before."""
    path = tmp_path / "u.gz"
    write_receipt(path, {FILE: KEY}, LINES)

    def breaking():
        yield LINES[0]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write_receipt(path, {FILE: KEY}, breaking())
    assert tuple(read_receipt(path).lines()) == LINES
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damage_is_an_error_never_another_line(tmp_path: Path, data: st.DataObject):
    """A changed or cut receipt is read as it was, up to where it is damaged, and then says so."""
    path = tmp_path / "u.gz"
    write_receipt(path, {FILE: KEY}, LINES)
    whole = path.read_bytes()
    at = data.draw(st.integers(10, len(whole) - 1))  # before it stands gzip's own header
    damaged = (
        whole[:at] if data.draw(st.booleans()) else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    )
    path.write_bytes(damaged)
    with pytest.raises(PlatformError, match=r"receipt\.damaged"):
        tuple(read_receipt(path).lines())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not gzip",
        gzip.compress(b"", mtime=0),
        gzip.compress(b"{}\n", mtime=0),
        gzip.compress(b"null\n", mtime=0),
        gzip.compress(b'{"format_version":2,"files":[]}\n', mtime=0),
        gzip.compress(b'{"format_version":1,"files":[{"file_sha256":"x","digest_key":"zz"}]}\n', mtime=0),
        gzip.compress(b'{"format_version":1,"files":[]}\n{"strange":1}\n', mtime=0),
        gzip.compress(b'{"format_version":1,"files":[]}\n[1]\n', mtime=0),
    ],
)
def test_a_file_that_is_no_receipt_is_refused_by_name(tmp_path: Path, text: bytes):
    """The error names the file and the line, never what stands there."""
    (tmp_path / "u.gz").write_bytes(text)
    with pytest.raises(PlatformError, match=r"receipt\.damaged.*u\.gz"):
        tuple(read_receipt(tmp_path / "u.gz").lines())


def test_parts_of_dead_writers_are_swept(tmp_path: Path):
    """A killed admission leaves a part; a living one is left alone."""
    layout = Layout(tmp_path)
    layout.prepare()
    write_receipt(layout.receipt("u"), {}, ())
    (layout.receipts / "dead.part").write_bytes(b"half")
    with open_part(layout.receipts / "living.part"):
        assert sweep(layout) == 1
    assert {path.name for path in layout.receipts.iterdir()} == {"u.jsonl.gz", "living.part"}
