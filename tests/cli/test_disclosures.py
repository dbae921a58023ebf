"""`rwd disclosures`: the patient's number on no command line, one document on stdout, a file for its owner alone."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlmodel import select

from rwd_platform.access.passwords import hash_password
from rwd_platform.cli import disclosures as verbs
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AuditEntry, User
from rwd_platform.settings import Settings
from tests.audit.test_balp import broken
from tests.cli.calling import Rwd
from tests.flows.disclosing import ELSEWHERE, HER, HIM, A, B, a_release_about_her, chart
from tests.flows.erasing import settle_people
from tests.flows.sending import CLERK

PASSWORD = "a password for tests"
OFFICER, INSPECTOR = "officer-lin", "inspector"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed at the terminal after the password; what it was asked for is not shown on stdout."""
    answers: list[str] = []
    asked: list[str] = []

    def prompt(question: str, **_more: object) -> str:
        asked.append(question)
        return PASSWORD if len(asked) % 2 else answers[-1]

    monkeypatch.setattr(typer, "prompt", prompt)
    return answers


@pytest.fixture
def platform(rwd: Rwd, home: Path) -> Iterator[Platform]:
    opened = open_platform(Settings(home=home, demo=True))
    settle_people(opened)
    secret = hash_password(PASSWORD)
    for login in (CLERK.id, OFFICER, INSPECTOR):
        user = opened.records.get(User, login)
        user.password_hash = secret
        opened.records.write(user, audit=Act(CLERK, "user.registered", Object("user", user.id)))
    a_release_about_her(opened)
    yield opened
    opened.records.engine.dispose()


def test_the_answer_in_words_and_as_one_document(rwd: Rwd, platform: Platform, said: list[str]) -> None:
    """To whom, for what, by which papers, and where it stands in the log; the number nowhere."""
    said.append(HER)
    told = rwd("disclosures", A, "--login", CLERK.id)
    text = told.stdout.decode()
    assert told.code == 0 and text.splitlines()[-1].endswith("1 release about this patient")
    assert "申办者甲 · Sponsor Ltd" in text and "EP-1" in text and "rests on: notice_consent" in text
    found = rwd("disclosures", A, "--login", CLERK.id, "--json")
    (one,) = found.document["releases"]
    assert (found.document["disclosures"], one["certainty"], one["exporters"]) == (1, "included", [A])
    assert f"log: {one['logged']['sequence']} {one['logged']['leaf_hash']}" in text
    said.append(HIM)
    none = rwd("disclosures", A, "--login", CLERK.id)
    assert none.stdout.decode() == "没有一次发布涉及这位患者 · no release was about this patient\n"
    everything = text + told.stderr + json.dumps(found.document) + found.stderr + none.stderr
    log = "".join(row.body.decode() for row in platform.records.all(select(AuditEntry)))
    for secret in (HER, HIM, chart(platform, HER)):
        assert secret not in everything and secret not in log


def test_what_cannot_be_told_is_said(rwd: Rwd, platform: Platform, said: list[str]) -> None:
    for path in (platform.layout.home / "ledger").glob("*.persons"):
        path.unlink()
    said.append(HIM)
    told = rwd("disclosures", A, "--login", CLERK.id).stdout.decode()
    assert "cannot be told" in told and told.splitlines()[-1].endswith(
        "no release is known to be about this patient; of 1 release it cannot be told"
    )
    document = rwd("disclosures", A, "--login", CLERK.id, "--json").document
    assert (document["disclosures"], document["cannot_be_told"]) == (0, 1)


def test_the_fhir_file_is_its_owners_alone_and_has_the_hospitals_number(
    rwd: Rwd, platform: Platform, said: list[str], tmp_path: Path
) -> None:
    """Also where there was a file that everybody could read; on stdout the patient is a reference."""
    said.append(HER)
    out = tmp_path / "answer.json"
    out.write_text("before")
    out.chmod(0o644)
    done = rwd("disclosures", A, "--login", CLERK.id, "--fhir", "--out", out)
    assert (done.code, done.stdout) == (0, b"") and "1 release" in done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    entry, scope = json.loads(out.read_bytes())["entry"]
    assert list(broken(entry["resource"])) == [] and HER in out.read_text("utf-8")
    assert scope["resource"]["resourceType"] == "OperationOutcome"  # which looks the file is not about
    shown = rwd("disclosures", A, "--login", CLERK.id, "--fhir")
    assert HER not in shown.stdout.decode() and shown.document["resourceType"] == "Bundle"
    rwd("disclosures", A, "--login", OFFICER, "--fhir", "--out", out)
    assert HER not in out.read_text("utf-8"), "an officer's file is not the hospital's"
    rwd("disclosures", A, "--login", CLERK.id, "--out", out)
    assert json.loads(out.read_bytes())["disclosures"] == 1


def test_the_number_may_come_from_a_file(
    rwd: Rwd, platform: Platform, said: list[str], tmp_path: Path
) -> None:
    """Its first line; a mark at its beginning and what follows are nothing."""
    said.append(PASSWORD)
    file = tmp_path / "one"
    for content in (HER.encode(), f"\ufeff{HER}\r\nsecond line\n".encode()):
        file.write_bytes(content)
        found = rwd("disclosures", A, "--login", CLERK.id, "--patient-file", file, "--json")
        assert found.document["disclosures"] == 1
    before = file.read_bytes()
    refused = rwd(
        "disclosures", A, "--login", CLERK.id, "--patient-file", file, "--fhir", "--out", file, "--json"
    )
    assert (refused.code, refused.document["error"]["code"]) == (2, "cli.own_input")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfe\x00", "cli.not_text"),
        (None, "cli.file_missing"),
        (b"x" * 10_000, "withdrawal.patient_unknown"),
    ],
)
def test_a_file_that_gives_no_number_is_refused(
    rwd: Rwd, platform: Platform, said: list[str], tmp_path: Path, content: bytes | None, code: str
) -> None:
    file = tmp_path / "one"
    if content is not None:
        file.write_bytes(content)
    said.append(PASSWORD)
    refused = rwd("disclosures", A, "--login", CLERK.id, "--patient-file", file, "--json")
    assert (refused.code, refused.document["error"]["code"]) == (2, code)


def test_who_may_not_ask_and_whom_nobody_knows(rwd: Rwd, platform: Platform, said: list[str]) -> None:
    """3 for what the role may not, 2 for a patient who is not this hospital's, in the same words whoever it is."""
    said.append(HER)
    refused = rwd("disclosures", A, "--login", INSPECTOR, "--json")
    assert (refused.code, refused.document["error"]["code"]) == (3, "access.not_allowed")
    errors = []
    for hospital, login, number in (
        (B, CLERK.id, HER), (B, CLERK.id, ELSEWHERE), (A, CLERK.id, ELSEWHERE), (A, CLERK.id, "MR-nobody"),
        (B, OFFICER, HER), ("org-nowhere", OFFICER, HER), (A, CLERK.id, "x" * 300),
    ):  # fmt: skip
        said.append(number)
        answer = rwd("disclosures", hospital, "--login", login, "--json")
        assert answer.code == 2 and number not in answer.stderr + str(answer.document)
        errors.append(answer.document)
    assert (
        all(one == errors[0] for one in errors) and errors[0]["error"]["code"] == "withdrawal.patient_unknown"
    )


def test_a_number_on_the_command_line_is_wrong_use(rwd: Rwd, platform: Platform) -> None:
    """There is no place for it, so nobody gets used to giving it there."""
    answer = rwd("disclosures", A, HER, "--login", CLERK.id, "--json")
    assert answer.code == 2 and HER not in json.dumps(answer.document)


def test_without_a_terminal_the_number_is_the_line_after_the_password(
    rwd: Rwd, platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for lines, expected in ((f"{PASSWORD}\n{HER}\n", (0, "")), (f"{PASSWORD}\n", (2, "cli.patient_needed"))):
        file = tmp_path / "lines"
        file.write_text(lines)
        with file.open() as stream:
            monkeypatch.setattr("sys.stdin", stream)
            answer = rwd("disclosures", A, "--login", CLERK.id, "--json")
        assert (answer.code, answer.document.get("error", {}).get("code", "")) == expected


def test_a_place_that_cannot_be_written_to_is_named_and_nothing_else(
    rwd: Rwd, platform: Platform, said: list[str], tmp_path: Path
) -> None:
    said.append(HER)
    for out in (tmp_path / "none" / "a.json", tmp_path):
        refused = rwd("disclosures", A, "--login", CLERK.id, "--fhir", "--out", out, "--json")
        assert (refused.code, refused.document["error"]["code"]) == (4, "cli.cannot_write")
        assert HER not in str(refused.document)


def test_the_words_of_a_recall_and_a_download(platform: Platform) -> None:
    from dataclasses import replace

    from rwd_platform.flows.disclosures import disclosures_of

    (one,) = disclosures_of(platform, CLERK, "", HER).told
    since = replace(
        one, downloads=("2026-11-03T01:00:00.000000Z",), recalled_at="2026-11-04", deleted_on="2026-11-05"
    )
    text = "\n".join(verbs._more(since))
    for words in ("downloaded: 2026-11-03", "recalled: 2026-11-04", "confirmed the deletion: 2026-11-05"):
        assert words in text
