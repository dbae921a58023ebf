"""The pages of policies: what each is for, what it does to an invented patient, and what its last runs dropped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deidentify.policy import POLICIES, load_policy
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import DroppedElement
from rwd_platform.server import policies
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.test_pages import visible_text

HOUSE = sorted(path.stem for path in POLICIES.glob("*.toml"))


def drop(platform: Platform, upload: str, organisation: str, **times: int) -> None:
    """More rows of what an upload left behind: `Patient_telecom=3`."""
    for name, count in times.items():
        row = DroppedElement(
            upload_id=upload,
            path=name.replace("_", "."),
            organisation_id=organisation,
            policy="lake",
            times=count,
        )
        platform.records.write(row, audit=Act(seed.SEED, "seed.written", Object("dropped_element", name)))


def test_the_overview_lists_every_policy_with_version_and_hash(platform: Platform, as_user: LogIn):
    """What a reader quotes is the name, the version and the hash of the file that was obeyed."""
    page = as_user("privacy").get("/policies").text
    assert {"lake", "default"} <= set(HOUSE)
    for name in HOUSE:
        policy = load_policy(name)
        assert f'href="/policies/{name}"' in page
        assert policy.sha256[:12] in page and policy.zh.split("，")[0][:12] in page
    assert "/classification" in page and "还没有运行过" in page


def test_what_was_dropped_is_told_by_path_and_hospital(platform: Platform, as_user: LogIn):
    """The most frequent path first, a column a hospital, and the sum."""
    seed.seed_upload(platform)
    seed.seed_upload(platform, organisation="hospital-b", id="upload-b")
    drop(platform, seed.UPLOAD, "hospital-a", Patient_telecom=5000, Patient_photo=1)
    rows = re.findall(r"<tr>(.*?)</tr>", as_user("privacy").get("/policies/lake").text)
    cells = [re.sub(r"<[^>]+>", " ", row).split() for row in rows]
    assert [row for row in cells if row and row[0].startswith("Patient.")] == [
        ["Patient.telecom", "5,000", "0", "5,000"],
        ["Patient.name", "990", "990", "1,980"],
        ["Patient.photo", "1", "0", "1"],
    ]


def test_only_the_newest_upload_of_a_hospital_counts_as_its_last_run(
    platform: Platform, as_user: LogIn, clock
):
    """Yesterday's upload is history: its counts are in its own receipt."""
    seed.seed_upload(platform)
    drop(platform, seed.UPLOAD, "hospital-a", Patient_photo=77)
    clock.advance(days=1)
    seed.seed_upload(platform, id="upload-later")
    page = as_user("privacy").get("/policies/lake").text
    assert "2026-11-03 16:00" in page and "2026-11-02" not in page
    assert [path.path for path in _seen(platform)] == ["Patient.name"]


def _seen(platform: Platform) -> list[policies.DroppedPath]:
    """What the officer's page counts, without the page."""
    from rwd_platform.access.sessions import Login
    from rwd_platform.log.entry import Actor
    from rwd_platform.records.tables import User
    from rwd_platform.server.deps import Visitor

    user = platform.records.get(User, "user-privacy")
    login = Login(user, Actor(user.id, user.role, user.organisation_id), "")
    return policies.by_path(policies.last_runs(platform.records, Visitor(login, None)))


def test_a_hospital_sees_what_was_dropped_of_its_own_and_a_researcher_nothing(
    platform: Platform, as_user: LogIn
):
    """The policies are everybody's; the counts are the hospital's, the officer's and the authority's."""
    seed.seed_upload(platform)
    seed.seed_upload(platform, organisation="hospital-b", id="upload-b")
    drop(platform, "upload-b", "hospital-b", Patient_animal=123)
    for path in ("/policies", "/policies/lake"):
        own = visible_text(as_user("hospital-a").get(path).text)
        assert "Patient.name" in own and "Patient.animal" not in own and "演示医院乙" not in own
        assert "Patient.name" not in visible_text(as_user("researcher").get(path).text).replace(
            "Patient.name.", ""
        )
        for login in ("privacy", "regulator", "operator"):
            both = as_user(login).get(path).text
            assert "Patient.animal" in both and "演示医院乙" in both, (login, path)


@pytest.mark.parametrize("name", HOUSE)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_invented_patient_is_shown_before_and_after(as_user: LogIn, name: str, language: str):
    """Side by side: no identifier of the left column stands in the right one, and what stays is said to."""
    page = as_user("privacy", language=language).get(f"/policies/{name}")
    assert page.status_code == 200, page.text[-500:]
    pairs = re.findall(
        r'<td class="before"[^>]*>(.*?)</td><td><div class="after">(.*?)</div></td>', page.text
    )
    assert len(pairs) >= 40
    after = " ".join(right for _, right in pairs)
    befores = {left for left, _ in pairs}
    assert "司徒虚怀" in befores and any("154 1234 5678" in one for one in befores)
    for identifier in ("司徒", "1234", "ZY-0012345", "xh@example.org", "SN-000042", "E00000000"):
        assert identifier not in after, identifier
    assert ("(nothing)" if language == "en" else "（没有了）") in after


def test_the_rules_are_told_in_words_by_resource_type(as_user: LogIn):
    """A lawyer reads `put into an age band`, not a verb of a file format; the default policy names each path once."""
    page = as_user("privacy", language="en").get("/policies/default").text
    policy = load_policy("default")
    for kind, rules in policy.rules.items():
        assert f"<summary>{kind}<" in page
        assert f"rules: {len(rules)}" in page
    assert "replaced by a pseudonym" in page and "http://snomed.info/sct" in page


def test_every_action_of_every_policy_has_words():
    """An action that gains a policy and no words would show as written."""
    for name in HOUSE:
        for rules in load_policy(name).rules.values():
            for rule in rules.values():
                words = policies.in_words(rule.action, rule.argument)
                assert words.zh != words.en and "{" not in words.zh + words.en, (name, rule)
    assert policies.in_words("unheard", "of") == ("unheard:of", "unheard:of")


def test_findings_of_the_linter_stand_on_the_page(as_user: LogIn):
    """A limited data set keeps true dates: the linter warns, and the page repeats it where the policy is read."""
    found = policies.findings_of(policies.read("limited_dataset"))
    assert found, "this policy is known to have warnings"
    page = as_user("privacy").get("/policies/limited_dataset").text
    assert all(one.where in page and one.zh in page for one in found)
    assert f"检查有 {len(found)} 条意见" in as_user("privacy").get("/policies").text


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "..%2f..%2fetc%2fpasswd",
        "lake.toml",
        "%2Fetc%2Fpasswd",
        "LAKE",
        "x" * 3000,
        "a%00b",
        "策略",
    ],
)
def test_a_name_that_is_no_policy_of_the_house_opens_nothing(as_user: LogIn, name: str):
    """The address of a page is not a path: a file elsewhere is as absent as a policy nobody wrote."""
    answer = as_user("privacy").get(f"/policies/{name}")
    assert answer.status_code == 404
    assert "root:" not in answer.text and "tomllib" not in answer.text


def test_a_policy_that_changes_on_disk_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page keeps what it read, and looks at the file's time before it believes itself."""
    import os

    import deidentify.policy as room

    path = tmp_path / "lake.toml"
    path.write_bytes((POLICIES / "lake.toml").read_bytes())
    monkeypatch.setattr(room, "POLICIES", tmp_path)
    before = policies.read("lake")
    path.write_text(
        path.read_text("utf-8").replace(f'version = "{before.version}"', 'version = "changed"', 1), "utf-8"
    )
    os.utime(path, ns=(1, 1))
    assert before.version != policies.read("lake").version == "changed"
