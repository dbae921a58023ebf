"""What every answer carries, what no answer says, and what the web process never loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient

from rwd_platform.flows.platform import Platform
from rwd_platform.server import app as application
from rwd_platform.server import queries
from tests.server.conftest import LogIn


@pytest.mark.parametrize(
    "path", ["/login", "/livez", "/static/theme.css", "/no-such-page", "/api/v1/uploads"]
)
def test_every_answer_carries_the_security_headers(client: TestClient, path: str):
    """Pages, API, files and errors alike: nothing inline, nothing framed, nothing guessed."""
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert (headers.get("cache-control") == "no-store") is not path.startswith("/static")


def test_an_error_of_the_api_is_json_in_both_languages(client: TestClient):
    """Programs get code, what happened and the next step; never a page."""
    answer = client.get("/api/v1/no-such-thing")
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "zh", "en", "next_zh", "next_en"}


def test_an_error_page_is_a_card_with_its_code(client: TestClient):
    """People get a card: what happened, what to do, the code for support."""
    answer = client.get("/no-such-page")
    assert answer.status_code == 404 and "server.not_found" in answer.text and "怎么办" in answer.text


def test_an_unexpected_error_shows_a_number_and_nothing_else(
    platform: Platform, as_user: LogIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """What a program choked on may be a patient's: neither the page nor the log repeats it."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError("110101199003070000 张三")

    client = as_user("researcher")
    monkeypatch.setattr(queries, "studies", broken)
    quiet = TestClient(client.app, raise_server_exceptions=False, cookies=dict(client.cookies))
    answer = quiet.get("/studies")
    assert answer.status_code == 500 and "server.unexpected" in answer.text
    said = answer.text + "".join(
        record.getMessage() for record in caplog.records if record.name == "rwd.server"
    )
    assert "110101199003070000" not in said and "张三" not in said and "ValueError" in said


def test_wrong_fields_are_named_and_never_repeated(as_user: LogIn):
    """A misplaced value, perhaps a patient's, does not come back in the error."""
    sent = {"source_system": "110101199003070000" * 20, "agreement": 7, "张三": "x"}
    answer = as_user("hospital-a").post("/api/v1/uploads", json=sent)
    assert answer.status_code == 422
    assert "110101199003070000" not in answer.text and "张三" not in answer.text
    assert "agreement" in answer.json()["en"]


def test_the_description_of_the_api_names_answers_and_errors(client: TestClient):
    """Whoever writes a client reads it here; pages are not part of it."""
    description = client.get("/api/v1/openapi.json").json()
    assert all(path.startswith("/api/v1/") or path in ("/livez", "/readyz") for path in description["paths"])
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation["tags"], (path, method)
            if path.startswith("/api/"):
                assert operation["responses"]["404"]["content"]["application/json"]["schema"][
                    "$ref"
                ].endswith("ProblemOut")


def test_readiness_says_no_when_the_database_is_gone(
    client: TestClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    """Alive and ready are two questions: without its database the process lives and cannot work."""
    assert client.get("/readyz").json() == {"ok": True}
    monkeypatch.setattr("rwd_platform.server.api.health.is_at_head", lambda _: 1 / 0)
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200


def test_the_web_process_loads_no_statistics_no_fhir_and_no_lake():
    """Heavy libraries stay with the worker: a page answers at once and the process stays small."""
    heavy = [
        "lifelines",
        "great_expectations",
        "fhir",
        "matplotlib",
        "deltalake",
        "duckdb",
        "pandas",
        "typst",
        "docx",
    ]
    code = (
        "import sys, json; import rwd_platform.server.app; "
        f"print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_application_can_be_made_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """`uvicorn --factory` gives the same application."""
    monkeypatch.setenv("RWD_HOME", str(tmp_path))
    monkeypatch.setenv("RWD_DEMO", "true")
    with TestClient(application.app_from_environment()) as client:
        assert client.get("/readyz").json() == {"ok": True}
