"""`rwd evidence statements`, `missing` and `assemble`: words under a person's name, and what a package still lacks."""

from __future__ import annotations

import json
from base64 import b64decode
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
from tests.evidence.test_recipient import KEYS
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
    seed.seed_study(opened, protocol=PROTOCOL)  # which product it is of decides which readers there are
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
    "twice": (
        f'statements: {{funding: {{zh: "{ZH}"}}, funding: {{zh: "{ZH}"}}}}',
        "evidence.statements_file",
    ),
    "no list": (f'statements: "{RESIDENT_ID}"', "evidence.statements_file"),
    "more keys": ("statements: {}\nmore: 1", "evidence.statements_file"),
    "a bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nstatements: {funding: {zh: *b}}", "evidence.statements_file"),
    "code": ("statements: !!python/object/apply:os.getcwd []", "evidence.statements_file"),
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


def test_after_a_file_is_sent_only_what_is_new_is_told_and_how_many_there_are(
    rwd: Rwd, platform: Platform, login: LogIn, tmp_path: Path
) -> None:
    """What was written before may be long, and whoever sent the file knows what stands in it."""
    rwd(*STATEMENTS, filled(tmp_path / "a.yaml", conflicts={"zh": ZH, "en": EN}), *login("researcher"))
    other = "海南省科技厅资助，合同编号见附件。"
    answer = rwd(*STATEMENTS, filled(tmp_path / "b.yaml", funding={"zh": other}), *login("researcher"))
    lines = answer.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == [
        "funding",
        "已填写",
    ] and "2 written, 1 of them now" in lines[-1]
    assert ZH not in answer.stdout.decode() and ZH in rwd(*STATEMENTS).stdout.decode(), (
        "asked alone, it shows all"
    )


def test_the_errors_of_a_file_say_where_what_and_where_to_read_on(
    rwd: Rwd, platform: Platform, login: LogIn, tmp_path: Path
) -> None:
    def told(**said: Any) -> dict[str, str]:
        answer = rwd(*STATEMENTS, filled(tmp_path / "w.yaml", **said), *login("researcher"), "--json")
        error: dict[str, str] = answer.document["error"]
        return error

    no_map = told(funding="无资助")
    assert no_map["code"] == "evidence.statements_file" and "statements.funding" in no_map["zh"]
    assert "protocol.md" not in no_map["next_zh"] and "docs/reference/commands.md" in no_map["next_en"]
    named = told(funding={"zh": ZH, "en": f"Patient {RESIDENT_ID} was asked."})
    assert named["code"] == "evidence.statement_identifies" and RESIDENT_ID not in str(named)
    assert "英文" in named["zh"] and "身份证号" in named["zh"] and "resident id" in named["en"]
    joined = told(funding={"zh": f"{ZH} 👨\u200d👩"})
    assert "U+200D" in joined["zh"] and "joins emoji" in joined["en"]
    short = told(gap={"zh": "短"})
    assert "1 个字符" in short["zh"] and "20 to 2000" in short["en"]


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


def test_where_a_purpose_has_one_reader_it_need_not_be_named(
    rwd: Rwd, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = checked(monkeypatch)
    for purpose, options, audience in (
        ("commercial", (), "aggregate"),
        ("registration", (), "authority"),
        ("registration", ("--audience", "aggregate"), "aggregate"),
    ):
        assert rwd("evidence", "missing", seed.STUDY, "--purpose", purpose, *options).code == 0
        assert wanted[-1][2].audience == audience


REFUSED = [
    (("--purpose", "made-up"), "evidence.choice_unknown"),
    (("--audience", "everybody"), "evidence.choice_unknown"),
    (("--rows", "T9"), "evidence.choice_unknown"),
    (("--rows", "T4"), "evidence.tier_not_for"),
    (("--rows", "T3"), "evidence.certificate_needed"),
    (("--purpose", "commercial", "--audience", "authority"), "evidence.audience_not_for"),
    (("--audience", "aggregate", "--rows", "T2"), "evidence.tier_not_for"),
    (("--rows", "T3", "--certificate", "curve.pem"), "submission.certificate_key_unfit"),
    (("--rows", "T3", "--certificate", "huge.pem"), "submission.certificate_unreadable"),
    (("--rows", "T3", "--certificate", "key.pem"), "submission.private_key_given"),
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
    (tmp_path / "both.pem").write_bytes(recipient().certificate + recipient().key)
    (tmp_path / "key.p12").write_bytes(b64decode(KEYS["PKCS 12"]))
    (tmp_path / "two.pem").write_bytes(recipient().certificate + recipient(place=1).certificate)
    (tmp_path / "old.pem").write_bytes(recipient(years=(2001, 2002)).certificate)
    (tmp_path / "good.pem").write_bytes(recipient().certificate)
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


# -- errors of the program ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["assemble", "missing"])
def test_an_error_of_the_program_is_one_card_and_its_lines_are_shown_where_somebody_asks(
    rwd: Rwd, platform: Platform, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Its message may repeat a patient's value: neither form tells it."""

    def breaks(*_: object, **__: object) -> None:
        raise ValueError(f"cannot draw {RESIDENT_ID}")

    flow = {"assemble": "evidence.assemble_evidence", "missing": "dossier.check_dossier"}[verb]
    monkeypatch.setattr(f"rwd_platform.flows.{flow}", breaks)
    told = rwd("evidence", verb, seed.STUDY, "--audience", "authority")
    assert told.code == 4 and len(told.stderr.splitlines()) == 5 and "[cli.broke]" in told.stderr
    assert "ValueError" in told.stderr and "--debug" in told.stderr and is_chinese(told.stderr)
    assert "Traceback" not in told.stderr and "File " not in told.stderr and told.stdout == b""
    shown = rwd("evidence", verb, seed.STUDY, "--audience", "authority", "--debug")
    assert shown.code == 4 and "in breaks" in shown.stderr and "[cli.broke]" in shown.stderr
    document = rwd("evidence", verb, seed.STUDY, "--audience", "authority", "--json").document
    assert document["error"]["code"] == "cli.broke"
    assert RESIDENT_ID not in told.stderr + shown.stderr + str(document)


def test_what_has_words_of_its_own_keeps_them(
    rwd: Rwd, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, code, words in ((OSError(28, "full"), 4, "cli.disk_full"), (BrokenPipeError(), 0, "")):

        def fails(*_: object, error: OSError = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("rwd_platform.flows.evidence.assemble_evidence", fails)
        answer = rwd("evidence", "assemble", seed.STUDY, "--audience", "authority")
        assert answer.code == code and words in answer.stderr and "cli.broke" not in answer.stderr
