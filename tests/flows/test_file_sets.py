"""Packages of papers alone, from a study that has results: nothing of them gets out by such a package."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import release_gate
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_people import shares_of
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import (
    AnalysisRun,
    EvidencePackage,
    PackageDossier,
    ReleasedFigures,
    Study,
    User,
)
from tests.flows.releasing import people, put_package, results_of
from tests.flows.saying import say_everything
from tests.flows.sending import RESEARCHER
from tests.flows.test_dossier import content, holds, sealed_home, study, unsealed, unsealed_home  # noqa: F401 - fixtures
from tests.flows.test_release import to_authority
from tests.server.conftest import application_of, open_session

PURPOSES = ("award", "pre_communication")
STRANGER = Actor("somebody", "regulator", "org-authority")


@pytest.fixture
def papers(unsealed: Platform, study: Study) -> Any:  # noqa: F811 - fixtures
    say_everything(unsealed, RESEARCHER, study.id)

    def made(purpose: str) -> EvidencePackage:
        return assemble_evidence(unsealed, RESEARCHER, study.id, purpose, "aggregate")

    return made


@pytest.mark.parametrize("purpose", PURPOSES)
def test_it_verifies_and_holds_nobody(papers: Any, unsealed: Platform, purpose: str) -> None:  # noqa: F811 - fixtures
    package = papers(purpose)
    assert holds(unsealed, package)
    assert content(unsealed, package, "data/04_quality/quality.json") is None
    described = json.loads(content(unsealed, package, "data/00_index/package.json") or b"")
    assert described["results"] == "none" and package.run_id not in json.dumps(described)
    (share,) = shares_of(unsealed, package)
    assert share.persons.size == 0, "a release of it provides nobody's data"


def test_whoever_may_read_it_has_not_been_given_the_results(
    papers: Any,
    unsealed: Platform,  # noqa: F811 - a fixture
    study: Study,  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(release_gate, "may_read", lambda *_: True)  # as if each had been released
    runs = unsealed.records.all(select(AnalysisRun))
    papers("award")
    assert release_gate.readable_runs(unsealed, STRANGER, runs) == []
    assemble_evidence(unsealed, RESEARCHER, study.id, "commercial", "aggregate")
    assert release_gate.readable_runs(unsealed, STRANGER, runs) == runs


def test_it_is_released_by_its_conditions_alone(platform: Platform) -> None:
    """There is nobody in it to be told apart; a package of no results that is of another purpose is no such one."""
    empty = {**results_of({}), "rows": []}
    for id, profile in (("EP-1", "award"), ("EP-2", "reg_drug")):
        put_package(platform, {"all": people(1, 50)}, empty, id=id)
        platform.records.write(
            PackageDossier(
                package_id=id, organisation_id="org-operator", profile=profile, tier="T0", basis=id
            ),
            audit=Act(RESEARCHER, "seed.written", Object("package_dossier", id)),
        )
    released = to_authority(platform, "EP-1")
    assert (released.state, released.verdict["outcome"]) == ("released", "pass")
    (row,) = platform.records.all(select(ReleasedFigures))
    assert row.figures["figures"] == {} or row.figures["figures"] == []
    with pytest.raises(PlatformError) as refused:
        to_authority(platform, "EP-2")
    assert "no results in it" in refused.value.en


@pytest.mark.parametrize("language", ["zh", "en"])
def test_its_page_opens_and_says_what_it_is(papers: Any, unsealed: Platform, language: str) -> None:  # noqa: F811 - fixtures
    package = papers("pre_communication")
    (user,) = unsealed.records.all(select(User).where(User.login == "researcher"))
    session = open_session(unsealed, "researcher", user_id=user.id)
    with TestClient(application_of(unsealed), follow_redirects=False) as client:
        client.cookies.set("rwd_session", session[0])
        client.cookies.set("rwd_language", language)
        client.headers["X-CSRF-Token"] = session[1]
        page = client.get(f"/packages/{package.id}")
        verified = client.post(f"/packages/{package.id}/verify")
    assert page.status_code == verified.status_code == 200
    words = re.sub(r"\s+", " ", page.text)
    assert {"zh": "本包不含研究结果", "en": "this package holds no results"}[language] in words
