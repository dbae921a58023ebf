"""De-identifying a file at hand: same order, one resource a line, and nothing at all when it breaks off."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from deidentify.policy import load_policy
from deidentify.pseudonym import Pseudonymiser
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.deidentify_files import deidentify_file, expand_key, names_a_person, output_name
from tests.flows.sending import grade, ndjson, patient

POLICY = load_policy("default")
PSEUDONYMS = Pseudonymiser(b"k" * 32, scope="file")


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("a.ndjson", "a.ndjson"),
        ("a.ndjson.gz", "a.ndjson"),
        ("a.json", "a.ndjson"),
        ("a.b.jsonl", "a.b.ndjson"),
        ("病人.json.gz", "病人.ndjson"),
        ("plain", "plain.ndjson"),
    ],
)
def test_the_output_is_named_after_the_input(name: str, output: str) -> None:
    assert output_name(Path("x") / name) == output


def test_order_is_kept_and_what_is_wrong_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(ndjson(grade("g"), patient("bad", gender="F"), patient("p", name=[{"text": "甲乙丙"}])))
    (tmp_path / "out").mkdir()
    account = deidentify_file(file, tmp_path / "out", POLICY, PSEUDONYMS)
    assert (account.read, account.written, account.rejected, account.quarantined) == (3, 2, 1, 0)
    written = (tmp_path / "out" / "a.ndjson").read_text(encoding="utf-8")
    assert [json.loads(line)["resourceType"] for line in written.splitlines()] == ["Observation", "Patient"]
    assert "甲" not in written


@pytest.mark.parametrize("content", [b"", gzip.compress(ndjson(patient()))[:-5]], ids=["empty", "cut"])
def test_a_file_that_cannot_be_read_leaves_the_folder_as_it_was(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.ndjson.gz"
    file.write_bytes(content)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.ndjson").write_text("of an earlier run")
    with pytest.raises(PlatformError):
        deidentify_file(file, tmp_path / "out", POLICY, PSEUDONYMS)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.ndjson"]
    assert (tmp_path / "out" / "a.ndjson").read_text() == "of an earlier run"


def test_one_key_gives_a_pseudonym_key_and_a_date_key_that_share_nothing() -> None:
    """HKDF (RFC 5869): neither is the key given, neither can be told from the other."""
    key = bytes(range(32))
    pseudonyms, shifts = expand_key(key)
    keys = {key, pseudonyms._key, shifts._key}
    assert len(keys) == 3 and all(len(one) == 32 for one in keys)
    again, shifted_again = expand_key(key)
    assert pseudonyms.token("Patient", "1") == again.token("Patient", "1")
    assert shifts.days("x") == shifted_again.days("x")
    other, _ = expand_key(bytes(range(1, 33)))
    assert other.token("Patient", "1") != pseudonyms.token("Patient", "1")


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_short_key_is_refused(length: int) -> None:
    with pytest.raises(PlatformError) as refusal:
        expand_key(b"k" * length)
    assert refusal.value.code == "pseudonym.key_unfit"


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("15412345678.ndjson", True),
        ("张-154-1234-5678.json.gz", True),
        ("11010519491231002X.ndjson", True),
        ("a@example.org.ndjson", True),
        ("阿依古丽·买买提.ndjson", True),
        ("海南省琼海市嘉积镇文坡村12号.ndjson", True),
        ("E12345678.ndjson", True),
        ("ZY20231234.ndjson.gz", True),
        ("王小明.json", True),
        ("wangxiaoming_19800304.ndjson", False),
        ("Patient.ndjson", False),
        ("export-2024-03-01.ndjson.gz", False),
    ],
)
def test_a_file_name_that_holds_a_number_of_a_person_is_noticed(name: str, warned: bool) -> None:
    assert names_a_person(Path("x") / name) is warned
