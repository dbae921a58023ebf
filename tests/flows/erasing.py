"""A deployment with thirty patients at one hospital, a lock, results and a package; one of them is easy to find.

What is planted stands in nobody else's record: an id, a name, a telephone number, a code and a date.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.demo.patients import demo_patients
from rwd_platform.demo.people import register_organisations
from rwd_platform.demo.resources import resources
from rwd_platform.flows.erase_request import request_erasure, vote
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study, run_study
from rwd_platform.flows.withdraw import find_patient, retention
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AnalysisRun, ErasureRequest, EvidencePackage, User
from rwd_platform.settings import Settings
from rwd_platform.store.erasing import files_with
from tests.conftest import StandingClock
from tests.flows.passing_quality import pass_quality
from tests.flows.sending import CLERK, RESEARCHER, ndjson, patient, sent
from tests.flows.unsealing import unseal

OFFICERS = (
    Actor("officer-lin", "privacy", "org-operator"),
    Actor("officer-fu", "privacy", "org-operator"),
)
INSPECTOR = Actor("inspector", "regulator", "org-authority")
PROTOCOL = (Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml").read_text("utf-8")
WHY = "依据伦理委员会函件办理，已核对患者的书面申请"
NO_DUTY = {rule["id"]: "no" for rule in retention().rules}

VICTIM = "zzplantedidzz"
NAME, PHONE, CODE, DAY = "皇甫椴樵", "13987650123", "C50.987", "1987-11-23"
PLANTED = (VICTIM, NAME, PHONE, CODE, DAY)


def opened(home: Path, clock: StandingClock | None = None) -> Platform:
    """The deployment of a home; a new one gets the demo's organisations."""
    is_new = not home.exists()
    platform = open_platform(Settings(home=home, demo=True), clock or StandingClock())
    if is_new:
        register_organisations(platform)
    return platform


class Naming:
    """Ids of one patient; the victim's are all of one kind."""

    def __init__(self, number: int, victim: bool) -> None:
        self._end = VICTIM if victim else str(number)

    def id(self, role: str) -> str:
        return self._end if (role, self._end) == ("patient", VICTIM) else f"{role}.{self._end}"

    def reference(self, resource_type: str, role: str) -> str:
        return f"{resource_type}/{self.id(role)}"


@cache
def thirty_patients() -> tuple[bytes, bytes]:
    """Two files: everybody's resources, the victim's among them; and a second look at the victim and another."""
    chosen = demo_patients(1)[:30]
    victim = next(n for n, who in enumerate(chosen) if who.nodes > 0 and who.hormon)
    lines = []
    for number, who in enumerate(chosen):
        for role, one in resources(who, Naming(number, number == victim)):
            lines.append(_planted(role, one) if number == victim else one)
    later = [
        {**_only(lines, f"tumour-grade.{VICTIM}"), "id": "late.1", "effectiveDateTime": DAY},
        _another_diagnosis(_only(lines, f"condition.{VICTIM}")),
        {**_only(lines, "tumour-grade.0"), "id": "late.2"},
        {**patient("nobody-in-the-study"), "birthDate": "not a date"},
        {**patient(VICTIM), "birthDate": "19871123"},  # kept out: not a FHIR date
    ]
    return ndjson(*lines), ndjson(*later)


def _only(lines: Iterable[dict[str, Any]], id: str) -> dict[str, Any]:
    return next(one for one in lines if one["id"] == id)


def _planted(role: str, one: dict[str, Any]) -> dict[str, Any]:
    if role == "patient":
        return {**one, "name": [{"text": NAME}], "telecom": [{"system": "phone", "value": PHONE}]}
    return one


def _another_diagnosis(one: dict[str, Any]) -> dict[str, Any]:
    """A code that nobody else has, and a note with the name: free text is kept in the files as received alone."""
    code = {**one["code"]["coding"][0], "code": CODE}
    note = [{"text": f"患者{NAME}，电话{PHONE}"}]
    return {**one, "id": "late.3", "code": {"coding": [code]}, "note": note, "onsetDateTime": DAY}


def settle_people(platform: Platform) -> None:
    for actor in (CLERK, *OFFICERS, INSPECTOR):
        row = User(
            id=actor.id, organisation_id=actor.organisation, login=actor.id, role=actor.role, name=actor.id,
            password_hash="", created_at="",
        )  # fmt: skip
        platform.records.write(row, audit=Act(RESEARCHER, "user.registered", Object("user", actor.id)))


def send_thirty(platform: Platform) -> None:
    """People, files and a quality check: the lake as a study finds it."""
    settle_people(platform)
    first, second = thirty_patients()
    sent(platform, {"all.ndjson": first})
    sent(platform, {"later.ndjson": second})
    checked(platform)


def checked(platform: Platform) -> None:
    pass_quality(platform, RESEARCHER)


def study_with_results(platform: Platform) -> str:
    """A frozen study with a lock and a run that can be read; the study's id."""
    study_id = study_with_sealed_results(platform)
    unseal(platform, study_id)
    return study_id


def study_with_sealed_results(platform: Platform) -> str:
    study = register_study(platform, RESEARCHER, PROTOCOL)
    freeze_protocol(platform, RESEARCHER, study.id, "方案经审定")
    lock_data(platform, RESEARCHER, study.id)
    run_study(platform, RESEARCHER, study.id)
    return study.id


def packaged(platform: Platform, run: AnalysisRun) -> EvidencePackage:
    """A real package, of published data and not of the run: what is asked is whether it is touched, and who is told."""
    from studies.evidence.package import build
    from tests.evidence.fixtures import small_inputs

    built = build(small_inputs(), platform.layout.packages)
    package = EvidencePackage(
        id=built.package_id, organisation_id=run.organisation_id, project_id=run.project_id, study_id=run.study_id,
        run_id=run.id, purpose="registration", version=1, audience="authority", file_name=built.path.name,
        sha256=built.sha256, bytes=built.path.stat().st_size, state="assembled", made_at="2026-11-02",
    )  # fmt: skip
    act = Act(RESEARCHER, "package.assembled", Object("package", package.id, built.sha256))
    platform.records.write(package, audit=act)
    return platform.records.get(EvidencePackage, package.id)


def approved(platform: Platform, named: str = VICTIM, **more: Any) -> ErasureRequest:
    """A request of the hospital with its two approvals."""
    row = request_erasure(platform, CLERK, named, reason="consent-withdrawn", duties=NO_DUTY, **more)
    for officer in OFFICERS:
        row = vote(platform, officer, row.id, True, WHY)
    return row


def pseudonym(platform: Platform) -> str:
    return find_patient(platform, CLERK.organisation, VICTIM)


def found_on_disk(platform: Platform, needles: Iterable[str]) -> dict[str, set[str]]:
    """needle -> files below home that hold it, decoded too; names are relative to home."""
    home = platform.layout.home
    found: dict[str, set[str]] = {}
    for path, needle in files_with(home, [one.encode() for one in needles]):
        found.setdefault(needle.decode(), set()).add(str(path.relative_to(home)))
    return found
