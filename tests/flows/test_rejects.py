"""What was kept out: grouped for a person to read, and as a file that can be corrected and sent again."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.rejects import reject_file, reject_groups
from rwd_platform.store.lake import Lake
from tests.flows.sending import (
    CLERK,
    CLERK_B,
    REGULATOR,
    RESEARCHER,
    Files,
    accounts,
    actions,
    bundle,
    grade,
    ndjson,
    patient,
    sent,
)

MAPPING = "demo-hospital-c"
HEADER = "病案号,处方号,药品代码,药品名称,发药日期"
FOLLOW_UP = "病案号,复发状态,复发或末次检查日期,生存状态,死亡或末次联系日期"


def kept_out(platform: Platform, upload_id: str) -> dict[str, bytes]:
    """The members of the reject file, by name."""
    with zipfile.ZipFile(io.BytesIO(reject_file(platform, CLERK, upload_id))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def as_zip(members: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


# -- groups ----------------------------------------------------------------------------------------


def test_reasons_are_grouped_the_most_frequent_first(platform: Platform) -> None:
    """A clerk sees each reason once: how many units, where the first are, and what to do."""
    bad = [patient(f"p{n}", gender="F") for n in range(7)]
    upload_id = sent(platform, {"a.ndjson": ndjson(*bad, patient("ok"), grade(of="nobody"))})
    groups = reject_groups(platform, CLERK, upload_id)
    assert [(group.units, group.outcome) for group in groups] == [(7, "rejected"), (1, "quarantined")]
    assert [place.line for place in groups[0].examples] == [1, 2, 3, 4, 5]
    assert all(group.zh and group.en and group.next_zh and group.next_en for group in groups)


def test_a_unit_with_several_reasons_counts_once_in_each(platform: Platform) -> None:
    upload_id = sent(platform, {"a.ndjson": ndjson(patient("p", gender="F", birthDate="1950-13-01"))})
    groups = reject_groups(platform, CLERK, upload_id)
    assert [group.units for group in groups] == [1, 1]


def test_nothing_kept_out_gives_no_group_and_an_empty_zip(platform: Platform) -> None:
    upload_id = sent(platform, {"a.ndjson": ndjson(patient())})
    assert reject_groups(platform, CLERK, upload_id) == []
    assert kept_out(platform, upload_id) == {}


# -- the file --------------------------------------------------------------------------------------


def test_the_reject_file_holds_exactly_the_lines_as_they_were_sent(platform: Platform) -> None:
    """Byte for byte, also what is not JSON at all; what was accepted or a duplicate is not in it."""
    odd = b'{"resourceType":"Patient",  "id":"p2", "gender":"F"}\n{broken\n'
    upload_id = sent(platform, {"a.ndjson": ndjson(patient("p1"), patient("p1")) + odd})
    assert list(kept_out(platform, upload_id).values()) == [odd]


def test_a_pretty_document_becomes_one_line_with_the_same_content(platform: Platform) -> None:
    content = json.dumps(patient("p1", gender="F"), indent=2).encode()
    upload_id = sent(platform, {"a.json": content})
    (raw,) = kept_out(platform, upload_id).values()
    assert raw.count(b"\n") == 1
    assert json.loads(raw) == json.loads(content)


def test_only_the_hospital_that_sent_it_may_have_it_and_the_log_says_so(platform: Platform) -> None:
    upload_id = sent(platform, {"a.ndjson": b"{broken\n"})
    for actor, code in (
        (CLERK_B, "records.not_found"),
        (RESEARCHER, "access.not_allowed"),
        (REGULATOR, "access.not_allowed"),
        (platform.operator(), "access.not_allowed"),
    ):
        with pytest.raises(PlatformError) as raised:
            reject_file(platform, actor, upload_id)
        assert raised.value.code == code
    reject_file(platform, CLERK, upload_id)
    assert actions(platform)[-1] == "reject.downloaded"


def test_the_same_rejects_give_the_same_bytes(platform: Platform) -> None:
    upload_id = sent(platform, {"a.ndjson": b"{broken\n", "b.ndjson": b"[]\n"})
    assert reject_file(platform, CLERK, upload_id) == reject_file(platform, CLERK, upload_id)


# -- sent again ------------------------------------------------------------------------------------

BAD, GOOD = b'"gender": "F"', b'"gender": "female"'
ONE_BAD = {
    "lines": {"a.ndjson": ndjson(patient("p1", gender="F"), patient("p2"))},
    "a gzip": {"a.ndjson.gz": gzip.compress(ndjson(patient("p1", gender="F"), patient("p2")))},
    "a zip": {
        "a.zip": as_zip({"in/a.ndjson": ndjson(patient("p1", gender="F")), "b.json": ndjson(patient("p2"))})
    },
    "a batch": {"a.json": bundle("batch", patient("p1", gender="F"), patient("p2"))},
    "names that meet": {
        "a.json": json.dumps(patient("p1", gender="F")).encode(),
        "a.ndjson": ndjson(patient("p2", gender="F")),
    },
    "one name twice in folders": {
        "x/a.ndjson": ndjson(patient("p1", gender="F")),
        "y/a.ndjson": ndjson(patient("p2", gender="F")),
    },
    "a name that looks like a path": {"../../a.ndjson": ndjson(patient("p1", gender="F"), patient("p2"))},
    "a name that looks like another disk": {"C:\\a.ndjson": ndjson(patient("p1", gender="F"), patient("p2"))},
}


@pytest.mark.parametrize("files", ONE_BAD.values(), ids=ONE_BAD)
def test_a_corrected_reject_file_is_accepted(platform: Platform, files: Files) -> None:
    """Download, mend in place, send the zip as it is: everything that was kept out comes in."""
    first = sent(platform, files)
    wrong = sum(one[1] for one in accounts(platform, first).values())
    mended = as_zip({name: raw.replace(BAD, GOOD) for name, raw in kept_out(platform, first).items()})
    again = sent(platform, {"corrected.zip": mended}, corrects_upload_id=first)
    assert accounts(platform, again) == {"corrected.zip": (wrong, 0, 0, 0)}
    assert len(Lake(platform.layout).read("patient")) == 2


def test_sent_again_uncorrected_it_is_kept_out_again(platform: Platform) -> None:
    first = sent(platform, ONE_BAD["lines"])
    again = sent(platform, {"same.zip": reject_file(platform, CLERK, first)})
    assert accounts(platform, again) == {"same.zip": (0, 1, 0, 0)}


def medication(platform: Platform, wrapped: str) -> str:
    """An upload of tables of which one row names no known product; `wrapped` says how it was sent."""
    rows = [HEADER, "7,R1,DEMO-A,演示药 A,1990-05-06", "7,R2,UNKNOWN,?,1990-05-06"]
    table = "\r\n".join([*rows, ""]).encode("gb18030")
    sheets = {"用药2024.csv": table}
    if wrapped == "zip":
        return sent(platform, {"tables.zip": as_zip(sheets)}, mapping=MAPPING)
    if wrapped == "gz":
        return sent(
            platform, {f"{name}.gz": gzip.compress(raw) for name, raw in sheets.items()}, mapping=MAPPING
        )
    return sent(platform, sheets, mapping=MAPPING)


@pytest.mark.parametrize("wrapped", ["plain", "gz", "zip"])
def test_a_corrected_row_of_a_table_is_read_by_the_same_mapping(platform: Platform, wrapped: str) -> None:
    """Its header stands above it, its bytes keep their encoding, and the mapping still knows its name."""
    first = medication(platform, wrapped)
    assert list(accounts(platform, first).values()) == [(0, 1, 1, 0)]
    ((name, raw),) = kept_out(platform, first).items()
    assert name.endswith("用药2024.csv")
    header, *rows, end = raw.split(b"\r\n")
    assert header.decode("gb18030") == HEADER and end == b""
    assert [row.decode("gb18030").split(",")[:2] for row in rows] == [["7", "R1"], ["7", "R2"]]
    mended = as_zip({name: raw.replace(b"UNKNOWN", b"DEMO-A")})
    again = sent(platform, {"corrected.zip": mended}, mapping=MAPPING)
    (account,) = accounts(platform, again).values()
    assert account == (0, 0, 2, 0), "both rows are read now, though their patient is still unknown"


def test_a_row_that_gave_several_resources_goes_back_once(platform: Platform) -> None:
    """Both outcomes of the row wait for the patient; the clerk gets the row, not two copies of it."""
    row = "7,复发,1992-01-01,死亡,1993-01-01"
    table = "\r\n".join([FOLLOW_UP, row, ""]).encode("gb18030")
    upload_id = sent(platform, {"随访.csv": table}, mapping=MAPPING)
    assert accounts(platform, upload_id)["随访.csv"][2] == 2
    assert list(kept_out(platform, upload_id).values()) == [table]
