"""`rwd evidence statements`, `missing` and `assemble`: words under a person's name, and what a package still lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.text import Bilingual
from rwd_platform.demo.people import give_new_passwords
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.statements import statements_of
from rwd_platform.records.tables import DossierCheck, DossierStatement, EvidencePackage, Study
from rwd_platform.settings import Settings
from studies.evidence.profiles.profile import profile
from studies.evidence.statements import asked_for, read_statements
from tests.cli.calling import Rwd, is_chinese
from tests.evidence.submission.keys import recipient, recipient_of_a_curve
from tests.flows.erasing import PROTOCOL
from tests.flows.log_reading import whole_log
from tests.server import seed

RESIDENT_ID = "110101199003070011"  # of nobody: the checksum of an example
ZH, EN = "本研究没有外部资助，由演示研究院自行承担。", "Nobody funded this study but the institute itself."
STATEMENTS = ("evidence", "statements", seed.STUDY)
LogIn = Callable[[str], tuple[str, str]]


@pytest.fixture
def platform(home: Path) -> Iterator[Platform]:
    opened = open_platform(Settings())
    seed.seed_study(opened)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def login(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> LogIn:
    """`login("researcher")` gives the options, and the password is typed when it is asked for."""
    passwords = {login: password for login, _, password in give_new_passwords(platform)}

    def options(name: str) -> tuple[str, str]:
        monkeypatch.setattr("typer.prompt", lambda *_, **__: passwords[name])
        return "--login", name

    return options


def filled(path: Path, **said: Any) -> Path:
    path.write_text(
        json.dumps({"format_version": 1, "statements": said}, ensure_ascii=False), encoding="utf-8"
    )
    return path


def said(platform: Platform) -> dict[str, Bilingual]:
    return statements_of(platform, seed.STUDY)


# -- statements --------------------------------------------------------------------------------------------------


def test_words_of_a_file_are_written_under_the_name_of_who_logs_in(
    rwd: Rwd, platform: Platform, login: LogIn, tmp_path: Path
) -> None:
    file = filled(tmp_path / "words.yaml", funding={"zh": ZH, "en": EN}, evaluation_route="clinical_trial",
                  data_access={"zh": "", "en": ""})  # fmt: skip
    answer = rwd(*STATEMENTS, file, *login("researcher"), "--json")
    assert (answer.code, sorted(answer.document["written"])) == (0, ["evaluation_route", "funding"])
    assert answer.document["statements"]["funding"] == [ZH, EN]
    (first, second) = platform.records.all(select(DossierStatement))
    assert {first.written_by, second.written_by} == {
        "user-researcher"
    } or first.written_by == second.written_by
    assert not first.written_by.startswith("cli:")
    again = rwd(*STATEMENTS, file, *login("researcher"), "--json")
    assert (again.code, again.document["written"]) == (0, [])
    shown = rwd(*STATEMENTS)
    assert shown.code == 0 and ZH in shown.stdout.decode() and "2" in shown.stderr + shown.stdout.decode()


def test_without_a_login_nothing_is_written(rwd: Rwd, platform: Platform, tmp_path: Path) -> None:
    """An account of the operating system may be several people's: words are one person's."""
    answer = rwd(*STATEMENTS, filled(tmp_path / "w.yaml", funding={"zh": ZH}), "--json")
    assert (answer.code, answer.document["error"]["code"]) == (3, "access.no_account") and said(
        platform
    ) == {}
    assert rwd(*STATEMENTS, "--json").document == {"written": [], "statements": {}}


BAD = {
    "no such thing": (
        'statements: {no-such-thing: {zh: "无此说明项的文字内容"}}',
        "evidence.statement_unknown",
    ),
    "short": ('statements: {evaluation_route: "whatever"}', "evidence.statement_unfit"),
    "identifies": (
        f'statements: {{funding: {{zh: "患者王小明 {RESIDENT_ID} 的资料"}}}}',
        "evidence.statement_identifies",
    ),
    "twice": (f'statements: {{funding: {{zh: "{ZH}"}}, funding: {{zh: "{ZH}"}}}}', "protocol.refused"),
    "no list": (f'statements: "{RESIDENT_ID}"', "protocol.refused"),
    "more keys": ("statements: {}\nmore: 1", "protocol.refused"),
    "a bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nstatements: {funding: {zh: *b}}", "protocol.refused"),
    "code": ("statements: !!python/object/apply:os.getcwd []", "protocol.refused"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_cannot_be_used_changes_nothing_and_is_not_repeated(
    rwd: Rwd, platform: Platform, login: LogIn, tmp_path: Path, bad: str
) -> None:
    text, code = BAD[bad]
    file = tmp_path / "w.yaml"
    file.write_text(f"format_version: 1\n{text}\n", encoding="utf-8")
    answer = rwd(*STATEMENTS, file, *login("researcher"), "--json")
    assert answer.code in (1, 2, 3) and answer.document["error"]["code"] == code
    told = answer.stdout.decode() + answer.stderr + whole_log(platform)
    assert RESIDENT_ID not in told and "王小明" not in told and "无此说明项" not in told
    assert said(platform) == {} and is_chinese(answer.document["error"]["next_zh"])


def test_a_file_that_is_no_text_or_is_not_there(
    rwd: Rwd, platform: Platform, login: LogIn, tmp_path: Path
) -> None:
    file = tmp_path / "w.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    assert rwd(*STATEMENTS, file, *login("researcher"), "--json").document["error"]["code"] == "cli.not_text"
    assert rwd(*STATEMENTS, tmp_path / "no.yaml", "--json").document["error"]["code"] == "cli.file_missing"
    huge = filled(tmp_path / "h.yaml", funding={"zh": "长" * 3_000_000})
    answer = rwd(*STATEMENTS, huge, *login("researcher"), "--json")
    assert answer.code != 0 and len(answer.stdout) < 5000 and said(platform) == {}


def test_a_study_that_is_not_there_or_anothers(rwd: Rwd, platform: Platform, home: Path) -> None:
    row = platform.records.get(Study, seed.STUDY)
    row.organisation_id = "org-hospital-a"
    seed._write(platform, row)
    for verb in ("statements", "missing", "assemble"):
        hidden, absent = (
            rwd("evidence", verb, id, "--json").document["error"] for id in (seed.STUDY, "study-none")
        )
        assert hidden["code"] == absent["code"] == "records.not_found"
        assert hidden["zh"].replace(seed.STUDY, "study-none") == absent["zh"]


def test_the_blank_file_holds_what_is_asked_and_what_was_said(
    rwd: Rwd, platform: Platform, login: LogIn, tmp_path: Path
) -> None:
    row = platform.records.get(Study, seed.STUDY)
    row.protocol = PROTOCOL  # the other one is a text to look at
    seed._write(platform, row)
    rwd(*STATEMENTS, filled(tmp_path / "w.yaml", funding={"zh": ZH, "en": EN}), *login("researcher"))
    for purpose, name in (("registration", "reg_drug"), ("commercial", "commercial")):
        answer = rwd(*STATEMENTS, "--blank", "--purpose", purpose)
        text = answer.stdout.decode()
        assert answer.code == 0 and all(f"\n  {id}:" in text for id in asked_for(profile(name)))
    assert read_statements(rwd(*STATEMENTS, "--blank").stdout.decode()) == said(platform) == {
        "funding": Bilingual(ZH, EN)
    }  # fmt: skip
    assert rwd(*STATEMENTS, "--blank", "--purpose", "made-up", "--json").document["error"]["code"] == (
        "evidence.choice_unknown"
    )


# -- missing and assemble ----------------------------------------------------------------------------------------


def checked(monkeypatch: pytest.MonkeyPatch, *lacking: dict[str, Any]) -> list[Any]:
    """The look itself is the flow's (tests/flows/test_dossier.py): here it finds what the test says."""
    wanted: list[Any] = []

    def check(platform: Platform, actor: Any, study_id: str, asked: Any) -> DossierCheck:
        wanted.append((actor.role, study_id, asked))
        return DossierCheck(
            id="c", lacking=list(lacking), study_id=study_id, organisation_id="o", project_id="p", run_id="r",
            purpose=asked.purpose, audience=asked.audience, basis="", made_by="", made_at="",
        )  # fmt: skip

    monkeypatch.setattr("rwd_platform.flows.dossier.check_dossier", check)
    return wanted


LACK = {
    "id": "part.overseas", "title": {"zh": "与境外结果的一致性", "en": "Agreement with results from abroad"},
    "who": {"zh": "研究者", "en": "researcher"}, "next": {"zh": "请登记", "en": "Register it"}, "statement": "",
}  # fmt: skip


def test_what_is_missing_is_named_with_who_acts_and_the_exit_tells(
    rwd: Rwd, platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = tmp_path / "c.pem"
    certificate.write_bytes(recipient().certificate)
    wanted = checked(monkeypatch, LACK)
    answer = rwd("evidence", "missing", seed.STUDY, "--purpose", "indication", "--rows", "T3", "--certificate",
                 certificate, "--json")  # fmt: skip
    assert (answer.code, answer.document) == (1, {"lacking": [LACK]})
    ((role, study_id, asked),) = wanted
    assert (role, study_id, asked.purpose, asked.audience, asked.tier) == (
        "researcher", seed.STUDY, "indication", "authority", "T3"
    )  # fmt: skip
    assert asked.certificate.encode() == recipient().certificate
    told = rwd("evidence", "missing", seed.STUDY)
    lines = told.stdout.decode().splitlines()
    assert lines[0] == "part.overseas  与境外结果的一致性 · Agreement with results from abroad"
    assert lines[1:3] == ["  研究者：请登记", "  researcher: Register it"]
    assert told.code == 1
    checked(monkeypatch)
    done = rwd("evidence", "missing", seed.STUDY)
    assert done.code == 0 and "什么都不缺" in done.stdout.decode() + done.stderr


REFUSED = [
    (("--purpose", "made-up"), "evidence.choice_unknown"),
    (("--audience", "everybody"), "evidence.choice_unknown"),
    (("--rows", "T9"), "evidence.choice_unknown"),
    (("--rows", "T4"), "evidence.tier_not_for"),
    (("--rows", "T3"), "evidence.certificate_needed"),
    (("--purpose", "commercial"), "evidence.audience_not_for"),
    (("--audience", "aggregate", "--rows", "T2"), "evidence.tier_not_for"),
    (("--rows", "T3", "--certificate", "curve.pem"), "submission.certificate_key_unfit"),
    (("--rows", "T3", "--certificate", "huge.pem"), "submission.certificate_unreadable"),
    (("--rows", "T3", "--certificate", "key.pem"), "submission.certificate_unreadable"),
    (("--rows", "T3", "--certificate", "none.pem"), "cli.file_missing"),
    (("--rows", "T3", "--certificate", "der.pem"), "cli.not_text"),
]


def test_what_cannot_be_chosen_is_refused_by_both_verbs(
    rwd: Rwd, platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing of a key or of a file comes back; no package and no look is on record."""
    from tests.studies.rotterdam_lock import rotterdam_protocol

    for flow in ("dossier", "evidence"):
        monkeypatch.setattr(f"rwd_platform.flows.{flow}.frozen_protocol", lambda *_: rotterdam_protocol())
    (tmp_path / "curve.pem").write_bytes(recipient_of_a_curve("P-256").certificate)
    (tmp_path / "huge.pem").write_bytes(b"x" * 1_000_000)
    (tmp_path / "key.pem").write_bytes(recipient().key)
    (tmp_path / "der.pem").write_bytes(bytes(range(128, 256)))
    for options, code in REFUSED:
        for verb in ("missing", "assemble"):
            answer = rwd("evidence", verb, seed.STUDY, *options, "--json")
            assert answer.code != 0 and answer.document["error"]["code"] == code, options
            told = answer.stdout.decode() + answer.stderr
            assert (
                "made-up" not in told and "everybody" not in told and "MII" not in told and "xxx" not in told
            )
    assert platform.records.all(select(EvidencePackage)) == [] == platform.records.all(select(DossierCheck))
