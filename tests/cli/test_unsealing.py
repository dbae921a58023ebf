"""`rwd study unseal` and `rwd study unseal-vote`: two people, each with their password, and no estimate before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rwd_platform.demo.people import give_new_passwords
from rwd_platform.flows.platform import open_platform
from rwd_platform.flows.study import newest_run
from rwd_platform.records.tables import Study
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd
from tests.server.sealing import MARKER, MARKERS, seed_sealed

WHY = ("--reason", "已核对基线平衡与重叠诊断，可以揭盲")
REGISTERED = ("--knowledge", "registered")
LogIn = Callable[[str], tuple[str, str]]


@pytest.fixture
def study(home: Path) -> str:
    platform = open_platform(Settings())
    found = seed_sealed(platform).id
    platform.records.engine.dispose()
    return found


@pytest.fixture
def login(home: Path, monkeypatch: pytest.MonkeyPatch) -> LogIn:
    """`login("researcher")` gives the options, and the password is typed when it is asked for."""
    platform = open_platform(Settings())
    passwords = {login: password for login, _, password in give_new_passwords(platform)}
    platform.records.engine.dispose()

    def options(name: str) -> tuple[str, str]:
        monkeypatch.setattr("typer.prompt", lambda *_, **__: passwords[name])
        return "--login", name

    return options


def test_two_people_unseal_from_the_command_line(rwd: Rwd, study: str, login: LogIn) -> None:
    """The request prints the diagnostics as one document; the second word opens the results; neither prints one."""
    asked = rwd("study", "unseal", study, *WHY, *REGISTERED, *login("researcher"), "--json")
    assert (asked.code, asked.document["state"]) == (0, "requested")
    assert {"restricted.balance"} & {one["analysis"] for one in asked.document["diagnostics"]}
    vote = ("study", "unseal-vote", asked.document["id"], *WHY)
    own = rwd(*vote, "--agree", *login("researcher"), "--json")
    assert (own.code, own.document["error"]["code"]) == (3, "unsealing.not_a_voter")
    done = rwd(*vote, "--agree", *login("researcher-2"), "--json")
    assert (done.code, done.document["state"]) == (0, "unsealed")
    for answer in (asked, own, done):
        assert not [one for one in MARKERS if one in answer.stdout.decode() + answer.stderr]
    platform = open_platform(Settings())
    assert str(MARKER) in str(newest_run(platform, platform.records.get(Study, study)).results)
    platform.records.engine.dispose()


def test_for_a_person_the_request_names_each_diagnostic_and_warning(
    rwd: Rwd, study: str, login: LogIn
) -> None:
    seen = ("--knowledge", "seen", "--seen", "年会摘要中已见过总生存的中位数结果")
    told = rwd("study", "unseal", study, *WHY, *seen, *login("researcher")).stdout.decode()
    assert "restricted.balance" in told and "requested" in told
    refused = rwd("study", "unseal", study, *WHY, *REGISTERED, *login("researcher-2"), "--json")
    assert (refused.code, refused.document["error"]["code"]) == (3, "unsealing.waiting")


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (("--knowledge", "something"), 2, "unsealing.knowledge_unclear"),
        (("--knowledge", "seen"), 2, "unsealing.knowledge_unclear"),
    ],
)
def test_what_is_known_is_one_of_three(
    rwd: Rwd, study: str, login: LogIn, options: tuple[str, ...], code: int, problem: str
) -> None:
    answer = rwd("study", "unseal", study, *WHY, *options, *login("researcher"), "--json")
    assert (answer.code, answer.document["error"]["code"]) == (code, problem)


@pytest.mark.parametrize(
    "command", [("unseal", "s", *WHY, *REGISTERED), ("unseal-vote", "u", *WHY, "--agree")]
)
def test_without_a_login_nobody_asks_or_agrees(rwd: Rwd, home: Path, command: tuple[str, ...]) -> None:
    assert rwd("study", *command).code == 2


def test_a_sealed_run_prints_what_waits_and_no_estimate(
    rwd: Rwd, study: str, login: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command's own words about a run: its hash, what is sealed, and the next command."""
    platform = open_platform(Settings())
    run = newest_run(platform, platform.records.get(Study, study))
    platform.records.engine.dispose()
    monkeypatch.setattr("rwd_platform.flows.study.run_study", lambda *_: run)
    answer = rwd("study", "run", study, "--json")
    assert answer.code == 0 and "restricted.crude" in answer.document["sealed"]
    assert answer.document["results_sha256"] == run.results_sha256
    assert f"rwd study unseal {study}" in answer.stderr
    assert not [one for one in MARKERS if one in answer.stdout.decode() + answer.stderr]
    assert set(answer.document) == {"id", "results_sha256", "not_done", "sealed"}
    packaged = rwd("evidence", "assemble", study, "--json")
    assert (packaged.code, packaged.document["error"]["code"]) == (3, "study.results_sealed")


def test_for_a_person_a_run_says_in_words_what_was_done_what_waits_and_what_was_not(
    rwd: Rwd, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every planned analysis by its title, a missing result with its reason; nothing as a program would write it."""
    platform = open_platform(Settings())
    run = newest_run(platform, platform.records.get(Study, study))
    platform.records.engine.dispose()
    monkeypatch.setattr("rwd_platform.flows.study.run_study", lambda *_: run)
    told = rwd("study", "run", study)
    said = told.stdout.decode()
    assert told.code == 0 and f"rwd study unseal {study}" in told.stderr
    assert "{" not in said and "[" not in said and "not_done" not in said and "None" not in said
    assert f"封存，揭盲后可见 · sealed until unsealed ({len(run.sealed_analyses)})" in said
    assert "  restricted.crude  " in said and "  restricted.balance  " in said
    assert "没有得出结果" not in said, "whether a sealed analysis was done is sealed too"
    assert not [one for one in MARKERS if one in said + told.stderr]
    reasons = {
        "restricted.balance": "两组之一没有受试者 / one of the arms has no subjects",
        "restricted.overlap.weights": "协变量完全共线 / covariates are collinear",
    }
    run.results = {**run.results, "not_done": reasons}
    said = rwd("study", "run", study).stdout.decode()
    lines = said.splitlines()
    at = lines.index("没有得出结果 · without a result (2)")
    assert lines[at + 1].startswith("  restricted.balance  ") and " · " in lines[at + 1]
    assert lines[at + 2 : at + 4] == ["    两组之一没有受试者", "    one of the arms has no subjects"]
    assert lines[at + 4].startswith("  restricted.overlap.weights  ")
