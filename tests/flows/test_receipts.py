"""The receipt: what a hospital keeps as proof of what it sent and what became of it."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_file, sha256_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import receipt
from rwd_platform.flows.receive_upload import open_upload
from rwd_platform.records.tables import UploadFile
from rwd_platform.signing.ed25519 import verify
from rwd_platform.store.receipts import line_digest, read_receipt
from tests.flows.sending import (
    CLERK,
    CLERK_B,
    REGULATOR,
    RESEARCHER,
    TERMS,
    ndjson,
    patient,
    received,
    sent,
)


def test_the_receipt_says_terms_files_and_account(platform: Platform) -> None:
    content = ndjson(patient("p1", name=[{"text": "甲"}]), patient("p2", gender="F"))
    given = receipt(platform, CLERK, sent(platform, {"a.ndjson": content, "e.ndjson": b""}))
    assert given["terms"]["agreement"] == "A-1" and given["state"] == "admitted"
    assert [file["name"] for file in given["files"]] == ["a.ndjson", "e.ndjson"]
    for account in (given["account"], *(file["account"] for file in given["files"])):
        parts = ("accepted", "rejected", "quarantined", "duplicate")
        assert account["received"] == sum(account[part] for part in parts)
    assert given["files"][1]["problem"]["code"] == "intake.empty"
    assert given["dropped"] == {"Patient.name": 1}


def test_the_receipt_is_signed_and_a_change_shows(platform: Platform) -> None:
    given = receipt(platform, CLERK, sent(platform, {"a.ndjson": ndjson(patient())}))
    signed = given.pop("signed")
    key, signature = bytes.fromhex(signed["public_key"]), bytes.fromhex(signed["signature"])
    assert verify(key, sha256_of(given).encode(), signature)
    assert not verify(key, sha256_of({**given, "state": "failed"}).encode(), signature)


def test_every_line_can_be_found_again_from_the_file_that_was_sent(platform: Platform) -> None:
    """Rejected lines too: the digest is of the bytes as sent, under a key that the receipt holds."""
    lines = [ndjson(patient("p1")), b"{broken\n", ndjson(patient("p1"))]
    upload_id = sent(platform, {"a.ndjson": b"".join(lines)})
    path = platform.layout.receipt(upload_id)
    assert sha256_file(path) == receipt(platform, CLERK, upload_id)["lines_sha256"]
    written = read_receipt(path)
    found = [(line.line, str(line.outcome), line.digest) for line in written.lines()]
    (key,) = written.digest_keys.values()
    outcomes = ("accepted", "rejected", "duplicate")
    assert found == [
        (number, outcome, line_digest(key, line.rstrip(b"\n")))
        for number, (outcome, line) in enumerate(zip(outcomes, lines, strict=True), start=1)
    ]


def test_before_its_admission_the_receipt_counts_nothing(platform: Platform) -> None:
    given = receipt(platform, CLERK, received(platform, {"a.ndjson": ndjson(patient())}))
    assert (given["state"], given["account"]["received"], given["lines_sha256"]) == ("received", 0, "")
    upload = open_upload(platform, CLERK, TERMS)
    assert receipt(platform, CLERK, upload.id)["files"] == []


def test_who_may_read_a_receipt(platform: Platform) -> None:
    upload_id = received(platform, {"a.ndjson": ndjson(patient())})
    assert receipt(platform, REGULATOR, upload_id)["upload"] == upload_id
    for actor, code in ((CLERK_B, "records.not_found"), (RESEARCHER, "access.not_allowed")):
        with pytest.raises(PlatformError) as raised:
            receipt(platform, actor, upload_id)
        assert raised.value.code == code
    assert platform.records.all(select(UploadFile))
