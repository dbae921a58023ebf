"""Bad files as hospitals really send them: each beside a good one, which comes in all the same.

For each: the account adds up, the reason is said in both languages with a next step, nothing of the bad
file is half-stored, and the reason repeats no value.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.receive_upload import begin_file, close_upload, finish_file, open_upload
from rwd_platform.records.tables import UploadFile
from rwd_platform.settings import Settings
from rwd_platform.store.lake import Lake
from tests.cli.calling import is_chinese
from tests.flows.sending import CLERK, TERMS, accounts, bundle, grade, issues, ndjson, patient, sent

GOOD = {"good.ndjson": ndjson(patient("good"), grade("good-grade", of="good"))}
MAPPING = "demo-hospital-c"
FOLLOW_UP = ["病案号", "复发状态", "复发或末次检查日期", "生存状态", "死亡或末次联系日期"]
SECRET = "SECRET-VALUE"


@pytest.fixture
def platform(sqlite_template: Path, tmp_path: Path) -> Iterator[Platform]:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")
    opened = open_platform(Settings(home=home, demo=True))
    register_organisations(opened)
    yield opened
    opened.records.engine.dispose()


def zip_bomb() -> bytes:
    """60 MB of blanks in 60 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(b" " * (1 << 20)) for _ in range(60)), packer.flush()])


def table(headers: list[str], *rows: str) -> bytes:
    return "\r\n".join([",".join(headers), *rows, ""]).encode("gb18030")


def raw_patient(elements: str) -> bytes:
    return f'{{"resourceType":"Patient","id":"bad",{elements}}}\n'.encode()


THREE = ndjson(patient("x1"), patient("x2"), patient("x3"))
# Sent under a name; how many units it counts for; of these rejected; and the reason: the file's own
# problem (a whole file that cannot be read) or the rule of its units.
BAD = {
    "an empty file": ("e.ndjson", b"", "intake.empty"),
    "nothing but blanks": ("e.ndjson", b" \n\n\t\n", "intake.empty"),
    "a gzip of 0 bytes": ("e.ndjson.gz", b"", "intake.empty"),
    "a gzip of nothing": ("e.ndjson.gz", gzip.compress(b""), "intake.empty"),
    "a zip bomb": ("b.ndjson.gz", zip_bomb(), "intake.too_large_inflated"),
    "a gzip that breaks off": ("c.ndjson.gz", gzip.compress(THREE)[:-9], "intake.truncated"),
    "a zip that breaks off": ("c.zip", b"PK\x03\x04" + bytes(40), "intake.truncated"),
    "something else": ("s.ndjson.exe", b"MZ\x90\x00\x03", "intake.unknown_format"),
    "shifted columns": (
        "随访.csv",
        table(FOLLOW_UP[1:], f"{SECRET},1990-01-01,x,1990-01-01"),
        "mapping.headers",
    ),
    "no header": ("随访.csv", table(["7", SECRET, "1990-01-01", "x", "1990-01-01"]), "mapping.headers"),
    "the wrong encoding": ("l.ndjson", raw_patient('"gender":"ÿ"').decode().encode("latin-1"), ""),
    "UTF-16": ("u.json", json.dumps(patient("bad")).encode("utf-16"), ""),
    "a byte order mark in the middle": ("m.ndjson", b"\xef\xbb\xbf\xef\xbb\xbf" + ndjson(patient("bad")), ""),
    "NaN": ("n.ndjson", raw_patient('"extension":[{"url":"urn:x","valueDecimal":NaN}]'), ""),
    "1e999": ("n.ndjson", raw_patient('"extension":[{"url":"urn:x","valueDecimal":1e999}]'), ""),
    "depth 100,000": ("d.ndjson", b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n", ""),
    "a key twice": ("k.ndjson", raw_patient('"gender":"male","gender":"female"'), ""),
    "a text that breaks off": ("t.ndjson", ndjson(patient("bad"))[:40], ""),
    "a Bundle of an unknown type": ("b.json", bundle("invented", patient("bad"), patient("bad2")), ""),
    "a Bundle without a type": ("b.json", json.dumps({"resourceType": "Bundle", "entry": []}).encode(), ""),
    "a value where nobody expects one": ("v.ndjson", raw_patient(f'"gender":"{SECRET}"'), ""),
}


@pytest.mark.parametrize(("name", "content", "code"), BAD.values(), ids=BAD)
def test_a_bad_file_is_explained_and_the_good_one_beside_it_is_admitted(
    platform: Platform, name: str, content: bytes, code: str
) -> None:
    upload_id = sent(platform, {name: content, **GOOD}, mapping=MAPPING)
    assert accounts(platform, upload_id) == {name: (0, 1, 0, 0), "good.ndjson": (2, 0, 0, 0)}
    bad = files_of(platform, upload_id)[0]
    if code:
        assert bad.problem is not None and bad.problem["code"] == code
        assert issues(platform, upload_id) == []
        texts = [bad.problem[language] for language in ("zh", "next_zh", "en", "next_en")]
    else:
        assert bad.problem is None
        one = issues(platform, upload_id)[0]
        texts = [one.zh, one.next_zh, one.en, one.next_en]
    zh, next_zh, en, next_en = texts
    assert is_chinese(zh) and is_chinese(next_zh) and en and next_en
    assert not any(SECRET in text for text in texts)
    stored = Lake(platform.layout).read("resource", ["resource_type", "source_file_sha256"])
    assert sorted(stored["resource_type"]) == ["Observation", "Patient"]
    assert bad.sha256 not in set(stored["source_file_sha256"])


def test_a_byte_order_mark_at_the_start_is_no_fault(platform: Platform) -> None:
    """Windows tools write one; the content behind it is the same."""
    upload_id = sent(platform, {"b.ndjson": b"\xef\xbb\xbf" + THREE, **GOOD})
    assert accounts(platform, upload_id)["b.ndjson"] == (3, 0, 0, 0)


def test_one_bad_line_costs_one_line(platform: Platform) -> None:
    lines = THREE.splitlines(keepends=True)
    content = b"".join([lines[0], b'{"resourceType":\xff}\n', lines[1], b"{\n", lines[2]])
    upload_id = sent(platform, {"l.ndjson": content})
    assert accounts(platform, upload_id) == {"l.ndjson": (3, 2, 0, 0)}
    assert [one.line for one in issues(platform, upload_id)] == [2, 4]


def test_a_line_of_20_megabytes_costs_one_line(platform: Platform) -> None:
    long = b'{"resourceType":"Patient","id":"' + b"x" * (20 << 20) + b'"}\n'
    upload_id = sent(platform, {"long.ndjson": long + THREE, **GOOD})
    assert accounts(platform, upload_id) == {"long.ndjson": (3, 1, 0, 0), "good.ndjson": (2, 0, 0, 0)}
    assert len(issues(platform, upload_id)) == 1


def test_a_client_that_disconnects_leaves_nothing_and_the_rest_goes_on(platform: Platform) -> None:
    """The broken file was never received: no blob, no part, no line in any account."""
    upload = open_upload(platform, CLERK, TERMS)
    with (
        pytest.raises(ConnectionResetError),
        begin_file(platform, CLERK, upload.id, "cut.ndjson") as incoming,
    ):
        incoming.write(THREE[:20])
        raise ConnectionResetError
    good = begin_file(platform, CLERK, upload.id, "good.ndjson")
    good.write(GOOD["good.ndjson"])
    finish_file(platform, CLERK, upload.id, "good.ndjson", good)
    close_upload(platform, CLERK, upload.id)
    from rwd_platform.flows.admit_upload import admit_upload

    admit_upload(platform, CLERK, upload.id)
    assert accounts(platform, upload.id) == {"good.ndjson": (2, 0, 0, 0)}
    blobs = [path for path in platform.layout.landing.rglob("*") if path.is_file()]
    assert len(blobs) == 1 and blobs[0].suffix != ".part"


def test_a_file_above_the_limit_is_refused_while_it_comes_and_leaves_nothing(
    sqlite_template: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "home" / "records.db")
    small = open_platform(Settings(home=tmp_path / "home", demo=True, max_file_bytes=100))
    register_organisations(small)
    upload = open_upload(small, CLERK, TERMS)
    incoming = begin_file(small, CLERK, upload.id, "big.ndjson")
    incoming.write(b"x" * 100)
    with pytest.raises(PlatformError) as raised:
        incoming.write(b"x")
    assert raised.value.code == "landing.too_large" and is_chinese(raised.value.zh)
    assert not [path for path in small.layout.landing.rglob("*") if path.is_file()]
    assert not small.records.all(select(UploadFile))
    small.records.engine.dispose()
