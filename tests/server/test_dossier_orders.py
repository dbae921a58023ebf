"""Ordering a package at every door: what is given as a certificate, and what a job that failed or ended leaves open."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.dossier_inputs import CERTIFICATE_NEEDED
from rwd_platform.flows.platform import Platform
from rwd_platform.jobs.queue import claim, finish
from rwd_platform.records.tables import AnalysisRun, Job
from tests.conftest import StandingClock
from tests.evidence.submission.keys import recipient
from tests.evidence.test_recipient import KEYS
from tests.flows.log_reading import whole_log
from tests.server import reading, seed
from tests.server.conftest import LogIn

RESIDENT_ID = "110101199003070011"  # of nobody: the checksum of an example
STUDY, API = f"/studies/{seed.STUDY}", f"/api/v1/studies/{seed.STUDY}"
FORM = {"purpose": "registration", "audience": "authority"}
PAID = {"purpose": "insurance", "audience": "aggregate"}
PEM = recipient().certificate.decode()
FAILED = CERTIFICATE_NEEDED.error()


@pytest.fixture
def client(analysed: Platform, as_user: LogIn) -> TestClient:
    return as_user("researcher")


def jobs(platform: Platform) -> list[Job]:
    return list(platform.records.all(select(Job).order_by(col(Job.queued_at), col(Job.id))))


def sealed(certificate: str, **more: str) -> dict[str, str]:
    return FORM | {"rows": "T3", "certificate": certificate} | more


def filled(page: str) -> str:
    """What stands in the field of the certificate."""
    found = re.search(r'<textarea[^>]*name="certificate"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    return found[1]


def order(client: TestClient, **form: str) -> Any:
    return client.post(f"{STUDY}/assemble", data={"page": "dossier"} | FORM | form)


def all_stored(platform: Platform) -> str:
    """Every row of every table, as text."""
    from sqlalchemy import MetaData

    tables = MetaData()
    tables.reflect(platform.records.engine)
    with platform.records.engine.connect() as connection:
        return "\n".join(
            repr(tuple(row)) for one in tables.sorted_tables for row in connection.execute(one.select()).all()
        )


# -- what is given as a certificate -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PKCS 8", "under a password", "bare", "PKCS 12"])
def test_a_private_key_is_refused_at_every_door_and_stays_nowhere(
    client: TestClient, analysed: Platform, name: str
) -> None:
    both = PEM + KEYS[name]
    answers = [order(client, **sealed(both)), order(client, rows="T1", certificate=both)]
    answers += [client.post(f"{API}/{place}", json=sealed(both)) for place in ("packages", "dossier-checks")]
    for answer in answers:
        assert answer.status_code == 422 and "submission.private_key_given" in answer.text
        assert KEYS[name].splitlines()[1 if "BEGIN" in KEYS[name] else 0][:40] not in answer.text
    assert filled(answers[0].text) == "" and jobs(analysed) == []
    told = all_stored(analysed) + whole_log(analysed)
    assert "PRIVATE KEY" not in told and "MII" not in told


def test_only_the_certificate_itself_gets_into_the_job(client: TestClient, analysed: Platform) -> None:
    """However it was spelt: the same job, the same recipient."""
    for given in (PEM, PEM.replace("\n", "\r\n"), f"\ufeff\n{PEM}  \n"):
        assert order(client, **sealed(given)).status_code == 303
        assert client.post(f"{API}/packages", json=sealed(given)).status_code == 202
    (job,) = jobs(analysed)
    assert (job.payload["tier"], job.payload["certificate"]) == ("T3", PEM)


REFUSED: list[tuple[str, str, str]] = [
    (f"患者 {RESIDENT_ID}\n{PEM}", "submission.certificate_unreadable", ""),
    ("x" * 200_000, "submission.certificate_unreadable", ""),
    ("-----BEGIN CERTIFICATE-----\nnot one", "submission.certificate_unreadable", "again"),
    (PEM + recipient(place=1).certificate.decode(), "submission.certificate_unreadable", "again"),
    (recipient(years=(2001, 2002)).certificate.decode(), "submission.certificate_expired", "again"),
    (recipient(years=(2031, 2036)).certificate.decode(), "submission.certificate_not_yet_valid", "again"),
    (recipient(usage="sign").certificate.decode(), "submission.certificate_key_unfit", "again"),
    ("<script>alert(1)</script>", "submission.certificate_unreadable", "again"),
    ("", "evidence.certificate_needed", ""),
]


@pytest.mark.parametrize(("given", "code", "shown"), REFUSED, ids=range(len(REFUSED)))
def test_a_bad_certificate_comes_back_with_the_form_filled_in(
    client: TestClient, analysed: Platform, given: str, code: str, shown: str
) -> None:
    """Save a number of a person, and what is longer than any certificate; the tier that was chosen stands."""
    answer = order(client, **sealed(given))
    assert answer.status_code in (400, 422) and code in answer.text and jobs(analysed) == []
    page = answer.text
    assert '<option value="T3" selected>' in page and f'action="{STUDY}/assemble"' in page
    assert filled(page).startswith(given.strip()[:40].replace("<", "&lt;").replace(">", "&gt;")) == bool(
        shown or not given
    )
    assert (
        RESIDENT_ID not in page + all_stored(analysed) and "<script>alert" not in page and "xxx" not in page
    )
    assert page.index("card-problem") < page.index('name="certificate"') < page.index('id="missing"')
    assert f'action="{STUDY}/dossier-checks"' in page, "nothing else of the page is gone"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_day_on_which_a_certificate_ended_or_begins_is_told(
    analysed: Platform, as_user: LogIn, language: str
) -> None:
    client = as_user("researcher", language=language)
    for years, day in (((2001, 2002), "2002-01-01"), ((2031, 2036), "2031-01-01")):
        given = recipient(years=years).certificate.decode()
        assert day in order(client, **sealed(given)).text
        told = client.post(f"{API}/packages", json=sealed(given)).json()
        assert day in told["zh"] and day in told["en"] and "2026-11-02" in told["zh"]


def test_a_certificate_where_no_rows_are_sealed_is_refused(client: TestClient, analysed: Platform) -> None:
    """Somebody who pasted one meant to send rows; and no package is to be noted as sealed to whom it is not."""
    for rows in ("", "T0", "T1", "T2"):
        answer = order(client, rows=rows, certificate=PEM)
        assert answer.status_code == 422 and "evidence.certificate_for_nothing" in answer.text
        assert filled(answer.text).startswith("-----BEGIN")
    assert jobs(analysed) == []


# -- jobs that failed or ended ------------------------------------------------------------------------------------


def ended(platform: Platform, problem: PlatformError | None = FAILED) -> Job:
    job = claim(platform.records, "w", 60)
    assert job is not None
    finish(platform.records, job, "w", problem)
    return platform.records.get(Job, job.id)


def fields(page: str) -> bool:
    return f'action="{STUDY}/dossier-checks"' in page and f'action="{STUDY}/assemble"' in page


def dossier(client: TestClient, of: dict[str, str]) -> str:
    answer = client.get(f"{STUDY}/dossier", params=of)
    assert answer.status_code == 200
    return str(answer.text)


Do = Callable[..., Any]


def test_a_job_that_failed_closes_nothing_and_says_what_it_was_of(
    client: TestClient, analysed: Platform, clock: StandingClock
) -> None:
    order(client, **sealed(PEM))
    clock.advance(seconds=1)
    failed = ended(analysed)
    page = dossier(client, FORM)
    assert fields(page) and "evidence.certificate_needed" in page
    assert f'action="/jobs/{failed.id}/resume"' in page and 'href="#make"' in page and 'id="make"' in page
    card = page[page.index('class="job') : page.index("</section>", page.index('class="job'))]
    assert "注册" in card and "监管部门" in card and "T3" in card
    other = dossier(client, PAID)
    assert fields(other) and "evidence.certificate_needed" not in other
    assert f'href="{STUDY}/dossier?purpose=registration&amp;audience=authority"' in other
    assert f"/jobs/{failed.id}/resume" not in other, "where it is told whole it is tried again"
    order(client, rows="T1")
    clock.advance(seconds=1)
    assert [job.payload["tier"] for job in jobs(analysed)] == ["T3", "T1"], "another choice, another job"
    ended(analysed, None)
    assert "evidence.certificate_needed" not in dossier(client, FORM), "what came after was done"
    assert f"/jobs/{failed.id}" not in dossier(client, PAID)


def test_what_failed_is_tried_again_and_the_page_comes_back(
    client: TestClient, analysed: Platform, clock: StandingClock
) -> None:
    order(client, **PAID)
    ended(analysed)
    page = dossier(client, PAID)
    (back,) = re.findall(r'name="back" value="([^"]*)"', page)
    (job,) = jobs(analysed)
    answer = client.post(f"/jobs/{job.id}/resume", data={"back": back.replace("&amp;", "&")})
    assert answer.headers["location"] == f"{STUDY}/dossier?purpose=insurance&audience=aggregate"
    assert [one.state for one in jobs(analysed)] == ["queued"]
    order(client, **PAID)
    assert len(jobs(analysed)) == 1, "asked for again while it waits, it is the same job"


@pytest.mark.parametrize("place", ["dossier-checks", "packages"])
def test_what_was_done_may_be_asked_for_again_as_often_as_somebody_likes(
    client: TestClient, analysed: Platform, clock: StandingClock, place: str
) -> None:
    seen = []
    for turn in range(3):
        first, second = (client.post(f"{API}/{place}", json=FORM).json()["id"] for _ in range(2))
        assert first == second and len(jobs(analysed)) == turn + 1
        seen.append(first)
        clock.advance(seconds=1)
        ended(analysed, None)
    assert len(set(seen)) == 3
    again = client.post(f"{API}/{place}", json=FORM).json()["id"]
    ended(analysed)
    assert client.post(f"{API}/{place}", json=FORM).json()["id"] == again, "one that failed is tried again"


def test_a_check_that_failed_leaves_the_making_open_and_is_told_beside_it(
    client: TestClient, analysed: Platform, clock: StandingClock
) -> None:
    client.post(f"{STUDY}/dossier-checks", data=FORM)
    clock.advance(seconds=1)
    ended(analysed)
    order(client)
    clock.advance(seconds=1)
    ended(analysed)
    page = dossier(client, FORM)
    assert fields(page) and page.count('class="job ') == 2


def test_a_job_of_an_earlier_run_is_past(
    client: TestClient, analysed: Platform, clock: StandingClock
) -> None:
    order(client)
    ended(analysed)
    run = analysed.records.get(AnalysisRun, seed.RUN)
    clock.advance(minutes=5)
    newer = {**run.model_dump(), "id": "run-newer", "made_at": as_text(clock())}
    seed._write(analysed, AnalysisRun(**newer))
    assert "evidence.certificate_needed" not in dossier(client, FORM)


def test_from_the_dossier_one_comes_back_to_it_and_sees_the_newest_version(
    client: TestClient, analysed: Platform
) -> None:
    answer = order(client, **PAID)
    assert answer.headers["location"] == f"{STUDY}/dossier?purpose=insurance&audience=aggregate"
    assert client.post(f"{STUDY}/assemble", data=FORM).headers["location"] == STUDY
    reading.put(analysed)
    reading.put(analysed, "EP-read-2", version=2)
    page = dossier(client, FORM)
    assert 'href="/packages/EP-read-2"' in page and "EP-read-1" not in page


def test_the_study_page_leads_to_where_rows_are_ordered_and_names_the_purpose_of_what_failed(
    client: TestClient, analysed: Platform
) -> None:
    order(client, **PAID)
    ended(analysed)
    page = client.get(STUDY).text
    assert "附行级数据" in page and f'href="{STUDY}/dossier"' in page
    card = page[page.index('class="job') : page.index("</section>", page.index('class="job'))]
    assert "医保" in card and "仅汇总结果" in card
    assert json.loads(jobs(analysed)[0].model_dump_json())["payload"]["purpose"] == "insurance"
