"""Sending files: streamed, recognised, accounted for, and nothing half-stored when something breaks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.flows.platform import Platform
from rwd_platform.server.app import create_app
from rwd_platform.server.security import file_label
from tests.server import seed
from tests.server.conftest import LogIn, open_session

TERMS = {
    "source_system": "HIS",
    "agreement": "AG-1",
    "platform_role": "entrusted",
    "consent_version": "v1",
    "ethics_id": "EC-1",
}


def stored_files(platform: Platform) -> list[str]:
    """What lies in the landing zone and in the folder for unfinished files."""
    home = platform.layout.home
    kept = (path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    return sorted(path for path in kept if not path.startswith("records.db"))


def test_a_hospital_sends_files_and_gets_a_job(platform: Platform, as_user: LogIn):
    """Open under named terms, stream each file, close: the answer is the job that admits the upload."""
    client = as_user("hospital-a")
    upload = client.post("/api/v1/uploads", json=TERMS).json()["id"]
    content = b'{"resourceType":"Patient"}\n' * 100_000
    sent = client.put(f"/api/v1/uploads/{upload}/files", params={"name": "患者.ndjson"}, content=content)
    assert sent.status_code == 201, sent.text
    assert (sent.json()["sha256"], sent.json()["bytes"]) == (sha256_hex(content), len(content))
    job = client.post(f"/api/v1/uploads/{upload}/close")
    assert (job.status_code, job.json()["kind"], job.json()["state"]) == (202, "admit", "queued")
    detail = client.get(f"/api/v1/uploads/{upload}").json()
    assert detail["upload"]["state"] == "received" and detail["files"][0]["name"] == "患者.ndjson"
    assert f'hx-get="/jobs/{job.json()["id"]}/card' in client.get(f"/uploads/{upload}").text
    assert not any(
        content[:20] in (platform.layout.home / path).read_bytes() for path in stored_files(platform)
    )


def test_the_same_bytes_again_are_recognised(as_user: LogIn):
    """Within an upload the second copy names the first."""
    client = as_user("hospital-a")
    upload = client.post("/api/v1/uploads", json=TERMS).json()["id"]
    path = f"/api/v1/uploads/{upload}/files"
    first = client.put(path, params={"name": "a.ndjson"}, content=b"{}\n").json()
    again = client.put(path, params={"name": "b.ndjson"}, content=b"{}\n").json()
    assert again["duplicate_of"] == first["id"]


@pytest.mark.parametrize("term", TERMS)
def test_an_upload_that_does_not_name_its_terms_is_refused(as_user: LogIn, term: str):
    """Nothing is received without agreement, role, consent version and ethics id."""
    client = as_user("hospital-a")
    refused = client.post("/api/v1/uploads", json={**TERMS, term: "  "})
    assert refused.status_code == 422 and refused.json()["next_zh"]
    missing = client.post("/api/v1/uploads", json={key: value for key, value in TERMS.items() if key != term})
    assert (missing.status_code, missing.json()["code"]) == (422, "server.fields")
    assert term in missing.json()["en"]


def test_an_upload_without_files_cannot_be_closed(as_user: LogIn):
    """An empty upload has nothing to admit; the answer says so."""
    client = as_user("hospital-a")
    upload = client.post("/api/v1/uploads", json=TERMS).json()["id"]
    assert client.post(f"/api/v1/uploads/{upload}/close").json()["code"] == "upload.no_files"


def test_nobody_sends_files_into_anothers_upload(as_user: LogIn):
    """Another hospital's upload looks like one that does not exist."""
    upload = as_user("hospital-a").post("/api/v1/uploads", json=TERMS).json()["id"]
    other = as_user("hospital-b")
    answer = other.put(f"/api/v1/uploads/{upload}/files", params={"name": "x.json"}, content=b"{}")
    assert answer.status_code == 404
    assert other.post(f"/api/v1/uploads/{upload}/close").status_code == 404


def _disconnecting(platform: Platform, upload: str) -> list[dict[str, Any]]:
    """A browser that sends three megabytes and goes away: what the server answered."""
    token, csrf_token = open_session(platform, "hospital-a")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PUT", "scheme": "http",
        "path": f"/api/v1/uploads/{upload}/files", "raw_path": b"", "query_string": b"name=a.ndjson",
        "root_path": "", "server": ("testserver", 80), "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", b"testserver"), (b"cookie", f"rwd_session={token}".encode()),
            (b"x-csrf-token", csrf_token.encode()), (b"content-type", b"application/octet-stream"),
        ],
    }  # fmt: skip
    pieces = iter([b"x" * (1 << 20)] * 3)
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        piece = next(pieces, None)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Any) -> None:
        answered.append(message)

    # In a thread of its own: a browser test of the same process may have left a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, create_app(platform)(scope, receive, send)).result()
    return answered


def test_a_client_that_goes_away_leaves_nothing_behind(
    platform: Platform, as_user: LogIn, caplog: pytest.LogCaptureFixture
):
    """A broken connection is one line in the server's log, and no byte in the store."""
    upload = as_user("hospital-a").post("/api/v1/uploads", json=TERMS).json()["id"]
    before = stored_files(platform)
    with caplog.at_level("INFO", logger="rwd.server"):
        _disconnecting(platform, upload)
    assert stored_files(platform) == before
    assert as_user("hospital-a").get(f"/api/v1/uploads/{upload}").json()["files"] == []
    lines = [record for record in caplog.records if "went away" in record.message]
    assert len(lines) == 1 and lines[0].exc_info is None


@pytest.mark.parametrize(
    ("sent", "label"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\患者\\出院.csv", "出院.csv"),
        ("a\x00b\n\u202ec.json", "abc.json"),
        ("...", "unnamed"),
        ("", "unnamed"),
        ('<img src=x onerror="1">.json', "_img src=x onerror=_1__.json"),
    ],
)
def test_a_file_name_is_a_label_and_never_a_path(sent: str, label: str):
    """What a hospital calls its file is shown and stored, and decides nothing."""
    assert file_label(sent) == label
    assert len(file_label("长" * 500 + ".ndjson.gz")) <= 160 and file_label("长" * 500 + ".gz").endswith(
        ".gz"
    )


def test_a_body_that_is_too_large_for_a_form_is_refused(as_user: LogIn):
    """Forms and JSON are small; only the files of an upload may be large."""
    answer = as_user("researcher").post("/api/v1/studies", json={"protocol": "x" * (2 << 20)})
    assert (answer.status_code, answer.json()["code"]) == (413, "server.too_large")


def test_the_receipt_and_the_reasons_are_the_same_on_page_and_api(platform: Platform, as_user: LogIn):
    """A hospital's own program reads what its people read."""
    seed.seed_upload(platform)
    client = as_user("hospital-a")
    groups = client.get(f"/api/v1/uploads/{seed.UPLOAD}/rejects").json()
    assert [(one["rule"], one["units"]) for one in groups] == [("missing-element", 2), ("unknown-measure", 1)]
    assert groups[0]["examples"][0]["line"] == 100
    receipt = client.get(f"/api/v1/uploads/{seed.UPLOAD}/receipt").json()
    assert (
        receipt["account"]["received"]
        == 3013
        == sum(receipt["account"][name] for name in ("accepted", "rejected", "quarantined", "duplicate"))
    )
