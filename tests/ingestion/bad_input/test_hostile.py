"""Whatever is sent, the door answers: units that add up, or one clear refusal. Nothing else may escape."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from ingestion.containers import Limits
from ingestion.intake import read_units
from ingestion.validate import check
from rwd_platform.core.errors import PlatformError
from tests.ingestion.sending import line, opener, patient, zip_of

LIMITS = Limits(line_bytes=4_000, document_bytes=20_000, inflated_bytes=100_000, entries=10)
GOOD = [
    patient(1, birthDate="1941-07", name=[{"text": "王小明"}], gender="female"),
    {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"text": "体重"},
        "valueQuantity": {"value": 72.4, "code": "kg"},
    },
    {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"fullUrl": "urn:uuid:1", "resource": patient(2)}],
    },
]
NDJSON = b"\n".join(line(resource) for resource in GOOD) + b"\n"
DOCUMENT = json.dumps(GOOD[2], indent=1, ensure_ascii=False).encode()
SENT = {
    "a.ndjson": NDJSON,
    "a.json": DOCUMENT,
    "a.ndjson.gz": gzip.compress(NDJSON, mtime=0),
    "a.zip": zip_of({"a.ndjson": NDJSON, "b.json": DOCUMENT}),
}
PIECES = [
    b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\\ud800",
    b"1e999", b"NaN", b"-", b"9" * 200, b"[" * 200, b'"a":1,"a":2', "张".encode("gb18030"), "张".encode(), b"null",
    b"PK\x03\x04", b"\x1f\x8b", b"urn:uuid:1", b'"resourceType"', b'"entry"', b'"Bundle"', b"[]", b"{}", b"true",
]  # fmt: skip


def spoiled(content: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(5):
            case 0:
                content = content[:at] + chance.choice(PIECES) + content[at:]
            case 1:
                content = content[:at]
            case 2:
                content = content[:at] + content[at + chance.randint(1, 20) :]
            case 3 if content and at < len(content):
                content = content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]
            case _:
                other = chance.randrange(len(content) + 1)
                content = (
                    content[: min(at, other)]
                    + content[min(at, other) :]
                    + content[min(at, other) : max(at, other)]
                )
    return content


@pytest.mark.parametrize("name", SENT)
def test_a_spoiled_file_is_answered_for_in_every_case(name: str) -> None:
    """800 seeded mutations of each form. Every unit is a resource or says why not; every text is complete."""
    chance = random.Random(name)
    met = {"refused": 0, "rejected": 0, "accepted": 0}
    for _ in range(800):
        content = spoiled(SENT[name], chance)
        try:
            units = list(read_units(name, opener(content), limits=LIMITS))
        except PlatformError as refused:
            met["refused"] += 1
            assert refused.zh and refused.en and refused.code.startswith("intake.")
            continue
        assert units, "a file that holds something gives at least one unit"
        for unit in units:
            assert (unit.resource is None) == bool(unit.issues)
            assert unit.place.line >= 1
            met["rejected" if check(unit) else "accepted"] += 1
    assert met["rejected"] + met["refused"] > 100 and met["accepted"] > 0


@pytest.mark.parametrize("seed", range(3))
def test_every_line_of_spoiled_ndjson_is_accounted_for(seed: int) -> None:
    """received = the lines that are not blank, whatever is in them (a Bundle counts by its entries)."""
    chance = random.Random(seed)
    lines = [line(patient(n)) for n in range(30)]
    for _ in range(100):
        sent = [spoiled(one, chance).replace(b"\n", b" ") if chance.random() < 0.3 else one for one in lines]
        sent = [one for one in sent if one.strip(b" \t\r\n") and b"Bundle" not in one]
        units = list(
            read_units("a.ndjson", opener(line(patient(99)) + b"\n" + b"\n".join(sent)), limits=LIMITS)
        )
        assert [unit.place.line for unit in units] == list(range(1, len(sent) + 2))


HOSTILE = [
    json.loads(raw) for raw in (Path(__file__).parent / "hostile_lines.ndjson").read_bytes().splitlines()
]


@pytest.mark.parametrize("case", HOSTILE, ids=[case["what"] for case in HOSTILE])
def test_a_hostile_line_is_one_rejected_unit_between_two_good_ones(case: dict[str, Any]) -> None:
    """`repeat` is put between `before` and `after` so many times; the file on either side is read."""
    bad = (
        case.get("before", "") + case.get("repeat", "") * case.get("times", 1) + case.get("after", "")
    ).encode()
    content = line(patient(1)) + b"\n" + bad + b"\n" + line(patient(2)) + b"\n"
    units = list(read_units("a.ndjson", opener(content, 1 << 20)))
    assert [unit.place.line for unit in units] == [1, 2, 3]
    found = [check(unit) for unit in units]
    assert (found[0], found[2]) == ((), ())
    assert found[1][0].rule == case["rule"]
