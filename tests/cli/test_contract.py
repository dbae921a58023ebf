"""docs/reference/commands.md, line by line: exit codes, fields, languages, and stdout that is JSON alone."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.demo.questions import facts_of_transfer
from rwd_platform.flows.platform import open_platform
from rwd_platform.flows.receive_upload import open_upload
from rwd_platform.records.database import open_database
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd, is_chinese
from tests.flows.sending import CLERK, TERMS, bundle, grade, ndjson, patient
from tests.ingestion.sending import suite

LINE_FIELDS = {"file", "line", "resourceType", "id", "outcome", "issues"}
TERM_OPTIONS = (
    "--organisation", "org-hospital-a", "--source-system", "his", "--agreement", "A", "--platform-role",
    "entrusted", "--consent-version", "C", "--ethics-id", "E",
)  # fmt: skip


def write(path: Path, content: bytes | object) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


# -- common rules ----------------------------------------------------------------------------------

WRONG_USE: list[tuple[str, ...]] = [
    ("nonsense",),
    ("validate",),
    ("validate", "--nonsense", "x"),
    ("deidentify", "x.ndjson"),
    ("views", "nonsense"),
    ("transfer", "decide"),
    ("transfer", "inbound"),
    ("transfer", "rules", "extra"),
    ("verify",),
    ("upload", "x.ndjson"),
    ("study", "freeze"),
    ("quality", "check", "extra"),
]


@pytest.mark.parametrize("arguments", WRONG_USE, ids=" ".join)
def test_wrong_use_is_exit_2_and_is_explained_on_stderr(rwd: Rwd, arguments: tuple[str, ...]) -> None:
    answer = rwd(*arguments)
    assert answer.code == 2
    assert answer.stdout == b""
    assert answer.stderr.strip()


def test_wrong_use_with_json_still_gives_json_alone(rwd: Rwd) -> None:
    answer = rwd("validate", "--json")
    assert answer.code == 2
    error = answer.document["error"]
    assert error["code"] == "cli.usage" and error["en"] and is_chinese(error["zh"])


MISSING: list[tuple[str, ...]] = [
    ("validate", "none.ndjson"),
    ("deidentify", "none.ndjson", "--policy", "default", "--out", "o"),
    ("transfer", "decide", "none.json"),
    ("transfer", "inbound", "none.json"),
    ("verify", "none.zip"),
    ("views", "conform", "none", "--report", "r.json"),
    ("audit", "verify", "--extract", "none.json"),
    ("audit", "verify", "--checkpoint", "none.note"),
]


@pytest.mark.parametrize("arguments", MISSING, ids=" ".join)
def test_a_missing_file_is_exit_2_in_both_languages(rwd: Rwd, arguments: tuple[str, ...]) -> None:
    answer = rwd(*arguments)
    assert answer.code == 2
    assert answer.stdout == b""
    zh, en, next_zh, next_en, code = answer.stderr.strip().splitlines()[-5:]
    assert zh.startswith("✗ ") and is_chinese(zh) and "none" in zh
    assert "none" in en and next_zh.startswith("→ ") and is_chinese(next_zh)
    assert next_en.strip() and code.strip() == "[cli.file_missing]"


@pytest.mark.parametrize("kind", ["folder", "unreadable"])
def test_what_is_no_readable_file_is_exit_2_too(rwd: Rwd, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "it"
    if kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    for arguments in (("validate", target), ("transfer", "decide", target)):
        answer = rwd(*arguments, "--json")
        wanted = "cli.is_folder" if kind == "folder" else "cli.file_missing"
        assert (answer.code, answer.document["error"]["code"]) == (2, wanted)


def test_an_error_with_json_is_a_document_and_one_line(rwd: Rwd) -> None:
    answer = rwd("validate", "none.ndjson", "--json")
    error = answer.document["error"]
    assert set(error) == {"code", "zh", "en", "next_zh", "next_en"}
    assert answer.stderr.splitlines() == [f"✗ {error['zh']} {error['en']} [cli.file_missing]"]


def test_help_is_no_error(rwd: Rwd) -> None:
    answer = rwd("--help")
    assert answer.code == 0
    for verb in (
        "validate",
        "deidentify",
        "views",
        "transfer",
        "verify",
        "audit",
        "upload",
        "doctor",
        "demo",
    ):
        assert verb.encode() in answer.stdout


def test_a_real_process_gives_the_exit_code_and_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    """A server's locale is often C or POSIX; the contract is UTF-8 and LF all the same."""
    file = write(tmp_path / "文件.ndjson", ndjson(patient(gender="F")))
    done = subprocess.run(
        [sys.executable, "-m", "rwd_platform.cli.main", "validate", str(file), "--json"],
        env={
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONUTF8": "0",
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    line = json.loads(done.stdout.decode("utf-8"))
    assert line["file"].endswith("文件.ndjson") and is_chinese(line["issues"][0]["zh"])
    assert b"\r" not in done.stdout and done.stdout.count(b"\n") == 1


# -- validate --------------------------------------------------------------------------------------

BOTH = [patient("p1"), patient("p2", gender="F")]
FORMS = {
    "a.ndjson": ndjson(*BOTH),
    "a.ndjson.gz": gzip.compress(ndjson(*BOTH)),
    "a.json": bundle("batch", *BOTH),
    "a.json.gz": gzip.compress(bundle("batch", *BOTH)),
}


@pytest.mark.parametrize(("name", "content"), FORMS.items(), ids=FORMS)
def test_validate_gives_a_line_for_each_resource(rwd: Rwd, tmp_path: Path, name: str, content: bytes) -> None:
    answer = rwd("validate", write(tmp_path / name, content), "--json")
    assert answer.code == 1, "one of the two is not accepted"
    assert [line["outcome"] for line in answer.lines] == ["accept", "reject"]
    for line in answer.lines:
        assert set(line) == LINE_FIELDS
        assert line["file"].endswith(name) and line["resourceType"] == "Patient"
    accepted, rejected = answer.lines
    assert accepted["issues"] == [] and rejected["id"] == "p2"
    for issue in rejected["issues"]:
        assert set(issue) == {"code", "expression", "zh", "en"}
        assert issue["expression"] == "Patient.gender" and is_chinese(issue["zh"]) and issue["en"]


def test_validate_is_exit_0_when_everything_is_accepted(rwd: Rwd, tmp_path: Path) -> None:
    file = write(tmp_path / "a.ndjson", ndjson(patient("p1"), grade()))
    assert rwd("validate", file, "--json").code == 0
    assert rwd("validate", file, file).code == 0


def test_blank_lines_are_skipped_and_counted(rwd: Rwd, tmp_path: Path) -> None:
    file = write(tmp_path / "a.ndjson", b"\n\n" + ndjson(patient("p1")) + b"\n" + ndjson(patient("p2")))
    assert [line["line"] for line in rwd("validate", file, "--json").lines] == [3, 5]


def test_a_pretty_printed_document_is_one_item(rwd: Rwd, tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", json.dumps(patient(), indent=4).encode())
    assert [line["line"] for line in rwd("validate", file, "--json").lines] == [1]


def test_the_entries_of_a_pretty_bundle_have_the_lines_of_the_file(rwd: Rwd, tmp_path: Path) -> None:
    """An editor shows line numbers: they lead to each entry's resource."""
    text = json.dumps(json.loads(bundle("collection", *BOTH)), indent=1)
    lines = rwd("validate", write(tmp_path / "a.json", text.encode()), "--json").lines
    wanted = [number for number, line in enumerate(text.splitlines(), start=1) if '"resource":' in line]
    assert [line["line"] for line in lines] == wanted


@pytest.mark.parametrize(
    "resource", [{"resourceType": "Nonsense", "id": "x"}, {"resourceType": "ActorDefinition", "id": "x"}]
)
def test_a_type_that_r4_does_not_have_is_not_supported(rwd: Rwd, tmp_path: Path, resource: Any) -> None:
    answer = rwd("validate", write(tmp_path / "a.json", resource), "--json")
    assert answer.code == 1
    assert [issue["code"] for issue in answer.document["issues"]] == ["not-supported"]


def test_an_unreadable_line_is_a_line_with_nulls(rwd: Rwd, tmp_path: Path) -> None:
    answer = rwd("validate", write(tmp_path / "a.ndjson", b"{broken\n" + ndjson(patient())), "--json")
    first, second = answer.lines
    assert (first["resourceType"], first["id"], first["outcome"]) == (None, None, "reject")
    assert second["outcome"] == "accept"


def test_an_unknown_fhir_version_is_wrong_use(rwd: Rwd, tmp_path: Path) -> None:
    file = write(tmp_path / "a.ndjson", ndjson(patient()))
    assert rwd("validate", file, "--fhir-version", "R5", "--json").code == 0
    assert rwd("validate", file, "--fhir-version", "R9").code == 2


def test_in_words_the_reasons_and_the_summary_are_on_stdout(rwd: Rwd, tmp_path: Path) -> None:
    """They are the answer: `rwd validate FILE > reasons.txt` keeps them."""
    file = write(tmp_path / "a.ndjson", ndjson(*BOTH))
    answer = rwd("validate", file)
    said = answer.stdout.decode("utf-8")
    assert (answer.code, answer.stderr) == (1, "")
    assert "a.ndjson:2" in said and "Patient.gender" in said and is_chinese(said)
    assert said.endswith("accept 1 · reject 1\n")
    assert rwd("validate", file, "--json").stderr == "accept 1 · reject 1\n"


def test_an_empty_file_is_malformed_input(rwd: Rwd, tmp_path: Path) -> None:
    answer = rwd("validate", write(tmp_path / "a.ndjson", b""), "--json")
    assert answer.code == 2
    assert answer.document["error"]["code"] == "intake.empty"


# -- deidentify ------------------------------------------------------------------------------------


def test_deidentify_writes_one_resource_a_line_and_an_account(rwd: Rwd, tmp_path: Path) -> None:
    key = write(tmp_path / "key", b"k" * 32)
    file = write(
        tmp_path / "in.ndjson.gz",
        gzip.compress(ndjson(patient("p1", name=[{"text": "甲乙丙"}]), patient("bad", gender="F"), grade())),
    )
    options = ("--policy", "default", "--out", tmp_path / "out", "--key-file", key, "--json")
    answer = rwd("deidentify", file, *options)
    assert answer.code == 0
    assert set(answer.document) == {"read", "written", "rejected", "quarantined", "dropped"}
    assert {k: v for k, v in answer.document.items() if k != "dropped"} == {
        "read": 3, "written": 2, "rejected": 1, "quarantined": 0,
    }  # fmt: skip
    assert answer.document["dropped"]["Patient.name"] == 1
    written = (tmp_path / "out" / "in.ndjson").read_bytes()
    assert [json.loads(line)["resourceType"] for line in written.splitlines()] == ["Patient", "Observation"]
    assert "甲乙丙".encode() not in written
    rwd("deidentify", file, *options)
    assert (tmp_path / "out" / "in.ndjson").read_bytes() == written, "the same key gives the same bytes"


def test_without_a_key_file_the_one_time_key_is_said_on_stderr(rwd: Rwd, tmp_path: Path) -> None:
    file = write(tmp_path / "a.ndjson", ndjson(patient()))
    seen = []
    for number in range(2):
        answer = rwd("deidentify", file, "--policy", "default", "--out", tmp_path / str(number), "--json")
        assert "one-time random key" in answer.stderr and "一次性随机密钥" in answer.stderr
        seen.append((tmp_path / str(number) / "a.ndjson").read_bytes())
    assert seen[0] != seen[1]


def test_deidentify_refuses_what_it_cannot_do_well(rwd: Rwd, tmp_path: Path) -> None:
    """A short key, two inputs for one output, an unknown policy: exit 2, and nothing is written."""
    file = write(tmp_path / "a.ndjson", ndjson(patient()))
    (tmp_path / "b").mkdir()
    twin = write(tmp_path / "b" / "a.json", patient())
    short = write(tmp_path / "short", b"k" * 31)
    for arguments, code in (
        ((file, "--policy", "default", "--key-file", short), "deidentify.key_file"),
        ((file, twin, "--policy", "default"), "deidentify.same_output"),
        ((file, "--policy", "nonsense"), None),
    ):
        answer = rwd("deidentify", *arguments, "--out", tmp_path / "out", "--json")
        assert answer.code == 2
        assert code in (None, answer.document["error"]["code"])
    assert not list(tmp_path.glob("out/*"))


def test_deidentify_does_not_write_over_its_own_input(rwd: Rwd, tmp_path: Path) -> None:
    file = write(tmp_path / "a.ndjson", ndjson(patient()))
    before = file.read_bytes()
    answer = rwd("deidentify", file, "--policy", "default", "--out", tmp_path, "--json")
    assert (answer.code, file.read_bytes()) == (2, before)


# -- views conform ---------------------------------------------------------------------------------

SUITE = {
    "title": "small",
    "resources": [{"resourceType": "Patient", "id": "p1"}],
    "tests": [
        {
            "title": "an id",
            "view": {
                "resource": "Patient",
                "select": [{"column": [{"name": "id", "path": "id", "type": "id"}]}],
            },
            "expect": [{"id": "p1"}],
        }
    ],
}


def test_views_conform_writes_the_official_report(rwd: Rwd, tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    write(tmp_path / "suite" / "small.json", SUITE)
    options = ("views", "conform", tmp_path / "suite", "--backend", "python", "--report", tmp_path / "r.json")
    assert rwd(*options).code == 0
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report == {"small.json": {"tests": [{"name": "an id", "result": {"passed": True}}]}}
    wrong = json.loads(json.dumps(SUITE).replace('[{"id": "p1"}]}]', '[{"id": "p2"}]}]'))
    write(tmp_path / "suite" / "small.json", wrong)
    assert rwd(*options).code == 1
    (test,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["small.json"]["tests"]
    assert test["result"]["passed"] is False


def test_a_back_end_that_does_not_exist_is_wrong_use(rwd: Rwd, tmp_path: Path) -> None:
    assert rwd("views", "conform", tmp_path, "--backend", "duckdb", "--report", tmp_path / "r.json").code == 2
    assert not (tmp_path / "r.json").exists()


def test_an_empty_suite_is_not_a_pass(rwd: Rwd, tmp_path: Path) -> None:
    assert rwd("views", "conform", tmp_path, "--report", tmp_path / "r.json").code != 0


# -- transfer decide -------------------------------------------------------------------------------

DECISION_FIELDS = {
    "personal_information_path", "genetic_resources_path", "verdict", "missing", "rules", "rule_pack", "zh", "en",
}  # fmt: skip


def facts(**changes: Any) -> dict[str, Any]:
    return {
        **facts_of_transfer(on="2026-11-02", sensitive_persons=0, anonymised_and_reviewed=True),
        **changes,
    }


@pytest.mark.parametrize("persons", [0, 20_000, 2_000_000])
def test_transfer_decide_is_exit_0_whatever_the_verdict(rwd: Rwd, tmp_path: Path, persons: int) -> None:
    case = facts_of_transfer(on="2026-11-02", sensitive_persons=persons, anonymised_and_reviewed=not persons)
    answer = rwd("transfer", "decide", write(tmp_path / "case.json", case), "--json")
    assert answer.code == 0
    decision = answer.document
    assert set(decision) >= DECISION_FIELDS
    assert (decision["verdict"] == "ALLOW") is (persons == 0)
    assert set(decision["rule_pack"]) == {"id", "version", "sha256"}
    assert is_chinese(decision["zh"]) and decision["en"]


@pytest.mark.parametrize(
    ("case", "named"),
    [
        (facts(surprise=1), "surprise"),
        (facts(exporter={"ciio": "perhaps", "state_organ": False, "foreign_controlled": False}), "ciio"),
        ([], "case.json"),
        (b"not json", "case.json"),
        (b'{"on": NaN}', ""),
        (b"", "case.json"),
    ],
    ids=["unknown key", "unknown value", "a list", "no JSON", "NaN", "empty"],
)
def test_a_case_that_is_not_in_the_vocabulary_is_exit_2_and_named(
    rwd: Rwd, tmp_path: Path, case: object, named: str
) -> None:
    answer = rwd("transfer", "decide", write(tmp_path / "case.json", case), "--json")
    assert answer.code == 2
    error = answer.document["error"]
    assert named in error["en"] and named in error["zh"] and is_chinese(error["zh"])


def test_an_unknown_rule_pack_is_exit_2(rwd: Rwd, tmp_path: Path) -> None:
    assert rwd("transfer", "decide", write(tmp_path / "c.json", facts()), "--rules", "nonsense").code == 2


def test_the_foreign_cases_are_decided_as_they_say(rwd: Rwd, tmp_path: Path) -> None:
    """The public cases put through the command itself, not only through its function."""
    cases = json.loads(suite("cross_border", "cases.json").read_text(encoding="utf-8"))["cases"]
    for case in cases[:5]:
        answer = rwd("transfer", "decide", write(tmp_path / "c.json", case["input"]), "--json")
        assert answer.document["verdict"] == case["expected"]["verdict"], case


# -- verify ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)], ids=["empty", "text", "no member"]
)
def test_what_is_no_package_does_not_verify(rwd: Rwd, tmp_path: Path, content: bytes) -> None:
    answer = rwd("verify", write(tmp_path / "EP-x.zip", content), "--json")
    assert answer.code in (1, 2)
    assert answer.lines


def test_a_key_that_is_no_key_is_exit_2(rwd: Rwd, tmp_path: Path) -> None:
    answer = rwd("verify", write(tmp_path / "EP-x.zip", b"x"), "--key", "nonsense", "--json")
    assert answer.code == 2
    assert is_chinese(answer.document["error"]["zh"])


# -- audit verify ----------------------------------------------------------------------------------


def test_audit_verify_is_exit_0_for_a_whole_log_and_1_for_a_changed_one(
    rwd: Rwd, home: Path, tmp_path: Path
) -> None:
    """An entry that somebody changes in the database afterwards is found."""
    platform = open_platform(Settings())
    open_upload(platform, CLERK, TERMS)
    make_checkpoint(platform.records, platform.log_signer, "test")
    platform.records.engine.dispose()
    answer = rwd("audit", "verify", "--json")
    assert answer.code == 0 and len(answer.lines) == 1
    from sqlalchemy import text

    copy = tmp_path / "copy.db"
    shutil.copyfile(home / "records.db", copy)
    engine = open_database(f"sqlite:///{copy}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE audit_entry SET body = X'7B7D' WHERE sequence = 1"))
    engine.dispose()
    shutil.copyfile(copy, home / "records.db")
    changed = rwd("audit", "verify", "--json")
    assert changed.code == 1 and len(changed.lines) == 1
    assert "✗" in changed.stderr and len(changed.stderr.splitlines()) == 1
    in_words = rwd("audit", "verify")
    assert in_words.code == 1 and is_chinese(in_words.stdout.decode("utf-8"))


def test_another_database_needs_a_key_from_elsewhere(rwd: Rwd, home: Path) -> None:
    answer = rwd("audit", "verify", "--database", f"sqlite:///{home / 'records.db'}", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "audit.key_needed")


# -- upload, quality, doctor, study: the others, which use a home ----------------------------------


def test_upload_answers_with_the_receipt(
    rwd: Rwd, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rwd_platform.flows.jobs._check", lambda *_: None)  # has tests of its own
    file = write(tmp_path / "a.ndjson", ndjson(patient("p1"), grade()))
    answer = rwd("upload", file, *TERM_OPTIONS, "--json")
    assert answer.code == 0
    assert answer.document["account"] == {
        "received": 2, "accepted": 2, "rejected": 0, "quarantined": 0, "duplicate": 0,
    }  # fmt: skip
    worse = write(tmp_path / "b.ndjson", ndjson(patient("p2", gender="F")))
    assert rwd("upload", worse, *TERM_OPTIONS, "--json").code == 1


def test_upload_without_a_term_is_refused_by_policy(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.ndjson", ndjson(patient("p1")))
    options = ["" if option == "E" else option for option in TERM_OPTIONS]
    answer = rwd("upload", file, *options, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (3, "upload.term_missing")


def test_upload_of_a_missing_file_or_for_nobody_opens_no_upload(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    """The files are looked at before anything is put on record."""
    file = write(tmp_path / "a.ndjson", ndjson(patient("p1")))
    assert rwd("upload", file, tmp_path / "none.ndjson", *TERM_OPTIONS).code == 2
    nobody = ["org-nobody" if option == "org-hospital-a" else option for option in TERM_OPTIONS]
    assert rwd("upload", file, *nobody).code == 2
    from sqlmodel import select

    from rwd_platform.records.tables import Upload

    assert not open_platform(Settings()).records.all(select(Upload))


def test_a_study_that_does_not_exist_is_named(rwd: Rwd, home: Path) -> None:
    answer = rwd("study", "freeze", "study-none", "--reason", "x", "--json")
    assert answer.code in (2, 3) and answer.document["error"]["code"]


@pytest.mark.parametrize(
    "content", [b"", b"id: x", b"\xff\xfe", b"- a"], ids=["empty", "short", "bytes", "list"]
)
def test_a_protocol_that_cannot_be_read_is_exit_2(
    rwd: Rwd, home: Path, tmp_path: Path, content: bytes
) -> None:
    answer = rwd("study", "register", write(tmp_path / "p.yaml", content), "--json")
    assert answer.code == 2
    assert is_chinese(answer.document["error"]["zh"])


def test_an_operator_registers_freezes_and_lists_a_study(rwd: Rwd, home: Path) -> None:
    """The platform's own command line does the steps of the contract from end to end."""
    protocol = Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml"
    registered = rwd("study", "register", protocol, "--json")
    assert registered.code == 0, registered.stderr
    study = registered.document["id"]
    assert rwd("study", "freeze", study, "--reason", "approved", "--json").document["state"] == "frozen"
    assert rwd("study", "lock", study, "--json").code == 3, "no quality check yet"
    assert rwd("study", "list", "--json").document["id"] == study


def test_without_a_root_key_the_environment_is_broken(rwd: Rwd, tmp_path: Path) -> None:
    answer = rwd("quality", "check", "--json")
    assert answer.code == 4
    assert is_chinese(answer.document["error"]["zh"])


def test_a_setting_that_cannot_be_used_is_named_and_its_value_is_not(
    rwd: Rwd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RWD_JOB_LEASE_SECONDS", "secret-value")
    answer = rwd("doctor", "--json")
    assert answer.code == 4
    assert "RWD_JOB_LEASE_SECONDS" in answer.document["error"]["en"]
    assert "secret-value" not in answer.stderr + answer.stdout.decode()
