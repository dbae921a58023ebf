"""Files that a person names: what is missing, a folder, not readable or not writable is named, with no traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rwd_platform.cli.main  # registers the problems of the command line
from rwd_platform.cli import checking, deployment, files, recoding, serving, texts, usage
from rwd_platform.core.errors import PlatformError, Problem
from tests.cli.calling import Rwd, is_chinese

# verb with FILE where the file stands
VERBS = [
    "validate FILE",
    "deidentify FILE --policy default --out o",
    "transfer decide FILE",
    "transfer inbound FILE",
    "risk FILE --quasi a --sensitive s",
    "risk good.csv --quasi a --sensitive s --population FILE",
    "recode FILE --quasi a --hierarchies h --k 2",
    "text scan FILE",
    "text learn FILE --out forms.toml",
    "text clean FILE --roster roster.json --key-file key --out c.txt",
    "text clean good.txt --roster FILE --key-file key --out c.txt",
    "text clean good.txt --roster roster.json --key-file FILE --out c.txt",
    "audit verify --extract FILE",
    "audit verify --checkpoint FILE",
    "study register FILE",
]


@pytest.fixture
def folder(tmp_path: Path, rwd: Rwd) -> Path:
    """Where the command runs."""
    (tmp_path / "good.ndjson").write_text('{"resourceType":"Patient","id":"p"}\n')
    (tmp_path / "good.csv").write_text("a,b,s\n1,2,x\n1,2,y\n")
    (tmp_path / "good.txt").write_text("术后第3天。", encoding="utf-8")
    (tmp_path / "roster.json").write_text('{"people": [{"names": ["何首乌"]}]}', encoding="utf-8")
    (tmp_path / "key").write_bytes(b"k" * 32)
    (tmp_path / "d").mkdir()
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "a.csv").write_text("1;*\n")
    return tmp_path


def ending(verb: str) -> str:
    return next(
        (e for w, e in (("risk", ".csv"), ("recode", ".csv"), ("validate", ".json")) if w in verb), ".ndjson"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_for_a_file_is_said_to_be_a_folder(rwd: Rwd, folder: Path, verb: str) -> None:
    """Not missing: the person sees it in front of them."""
    name = f"病历 2024{ending(verb)}"
    (folder / name).mkdir()
    answer = rwd(*(name if word == "FILE" else word for word in verb.split()), "--json")
    error = answer.document["error"]
    assert (answer.code, error["code"]) == (2, "cli.is_folder")
    assert name in error["zh"] and name in error["en"]


# what is called with PATH | what is there | the problem
NAMED_AFTER_A_PATIENT = [
    ("risk PATH --quasi a --sensitive s", None, "cli.file_missing"),
    ("risk PATH --quasi a --sensitive s", "folder", "cli.is_folder"),
    ("risk PATH --quasi a --sensitive s", "a,a\n1,2\n", "risk.header"),
    ("risk PATH --quasi b --sensitive a", "a\n1\n", "risk.column_unknown"),
    ("recode good.csv --quasi a --hierarchies h --k 2 --out d/none/NAME", None, "cli.cannot_write"),
    ("recode PATH --quasi a --hierarchies h --k 2 --out PATH", "a\n1\n1\n", "cli.own_input"),
    ("recode good.csv --quasi a --hierarchies PATH --k 2", "a = 3\n", "recode.hierarchies_unreadable"),
    ("transfer decide PATH", "[]", "transfer.case_not_json"),
    ("transfer inbound PATH", "[]", "transfer.case_not_json"),
    ("deidentify good.ndjson --policy default --out o --key-file PATH", "short", "deidentify.key_file"),
    ("deidentify good.ndjson --policy default --out o --key-file PATH", None, "deidentify.key_file_missing"),
]


@pytest.mark.parametrize(("verb", "there", "problem"), NAMED_AFTER_A_PATIENT)
def test_a_name_that_may_be_a_persons_is_not_repeated(
    rwd: Rwd, folder: Path, verb: str, there: str | None, problem: str
) -> None:
    """Messages are copied into tickets and mails; hospitals name files after patients."""
    path = folder / "王伟芳460100199001011234.csv"
    if there == "folder":
        path.mkdir()
    elif there is not None:
        path.write_text(there, encoding="utf-8")
    answer = rwd(
        *(word.replace("PATH", str(path)).replace("NAME", path.name) for word in verb.split()), "--json"
    )
    assert answer.document["error"]["code"] == problem
    told = answer.stdout.decode() + answer.stderr
    assert "王伟芳" not in told and "460100" not in told


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["none", "x" * 300, "good.csv/x"], ids=["none", "long", "under"])
def test_what_is_not_there_is_said_to_be_missing(rwd: Rwd, folder: Path, verb: str, name: str) -> None:
    answer = rwd(*(name + ending(verb) if word == "FILE" else word for word in verb.split()), "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "cli.file_missing")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "content",
    [b"", bytes(range(256)) * 20, "姓名,年龄\n张三,3\n".encode("gbk")],
    ids=["empty", "bytes", "GBK"],
)
def test_any_content_gives_an_answer_and_never_a_traceback(
    rwd: Rwd, home: Path, folder: Path, verb: str, content: bytes
) -> None:
    """In a folder with a Chinese name and a blank. Whatever is wrong is told in both languages."""
    (folder / "病 历").mkdir()
    path = folder / "病 历" / f"表 格{ending(verb)}"
    path.write_bytes(content)
    answer = rwd(*(path if word == "FILE" else word for word in verb.split()), "--json")
    assert answer.code in (0, 1, 2, 3, 4) and "Traceback" not in answer.stderr
    if answer.code > 1:
        error = answer.document["error"]
        assert is_chinese(error["zh"]) and is_chinese(error["next_zh"]) and "张三" not in answer.stderr
        assert len(answer.stderr.splitlines()) == 1


# verb with OUT where the output stands
WRITING = [
    "recode good.csv --quasi a --hierarchies h --k 2 --out OUT",
    "text learn good.ndjson --out OUT",
    "text clean good.txt --roster roster.json --key-file key --out OUT",
]


@pytest.mark.parametrize("verb", WRITING)
@pytest.mark.parametrize(
    "out", ["none/out", "d", "x" * 300, "good.csv/out"], ids=["no folder", "folder", "long", "under"]
)
def test_an_output_that_cannot_be_written_is_exit_4_and_named(
    rwd: Rwd, folder: Path, verb: str, out: str
) -> None:
    answer = rwd(*(out if word == "OUT" else word for word in verb.split()))
    assert answer.code == 4 and "[cli.cannot_write]" in answer.stderr and is_chinese(answer.stderr)
    assert not (folder / "none").exists(), "a slip of the pen makes no folders"


def test_an_output_under_another_name_of_the_input_is_refused(folder: Path) -> None:
    """By a link, hard or soft, and by a way around."""
    source = folder / "good.csv"
    (folder / "soft").symlink_to(source)
    (folder / "hard").hardlink_to(source)
    for name in ("good.csv", "soft", "hard", "h/../good.csv"):
        with pytest.raises(PlatformError) as refused:
            files.check_not_an_input(folder / name, [source])
        assert refused.value.code == "cli.own_input"
    files.check_not_an_input(folder / "other.csv", [source, folder / "none"])


def test_what_the_system_says_of_a_file_becomes_a_problem() -> None:
    for error, code in (
        (OSError(28, "full"), "cli.disk_full"),
        (IsADirectoryError(21, "no", "/x/y"), "cli.is_folder"),
        (PermissionError(13, "no", "/x/y"), "cli.file_missing"),
    ):
        found = files.problem_of(error)
        assert found is not None and found.code == code and "/x" not in found.zh + found.en
    assert files.problem_of(OSError(5, "input/output error", "/x/y")) is None


def test_chinese_texts_quote_as_chinese_does() -> None:
    """“ ” in prose; straight quotes stand only in what is to be typed, between backquotes."""
    assert rwd_platform.cli.main.VERBS
    for module in (checking, deployment, files, recoding, serving, texts, usage):
        for problem in vars(module).values():
            if isinstance(problem, Problem):
                prose = re.sub("`[^`]*`", "", problem.zh + problem.next_zh)
                assert '"' not in prose and "'" not in prose, problem.code
