"""A command that is not written as it should be: told once, in both languages, with the next step, and exit 2."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import rwd_platform.cli
from rwd_platform.cli.main import VERBS
from tests.cli.calling import Rwd, is_chinese

# what was typed | what is said of it | whose help is named
WRONG: list[tuple[str, str, str, str]] = [
    ("nonsense", "没有命令 nonsense", "no verb nonsense", "rwd"),
    ("valdate", "是否指 validate、validation", "is validate or validation meant", "rwd"),
    ("validate", "缺少参数 FILES", "the argument FILES is missing", "rwd validate"),
    ("deidentify a.ndjson --out o", "缺少选项 --policy", "the option --policy is missing", "rwd deidentify"),
    ("deidentify a.ndjson --polcy x", "没有选项 --polcy，是否指 --policy", "is --policy meant", "rwd deidentify"),
    ("deidentify a.ndjson --policy", "选项 --policy 后面缺少值", "--policy needs a value", "rwd deidentify"),
    ("policy list --check", "没有选项 --check", "no option --check", "rwd policy list"),
    ("docs --check=1", "选项 --check 不带值", "--check takes no value", "rwd docs"),
    ("recode a.csv --quasi a --hierarchies h --k x", "--k 的值不能使用，此处需要整数", "a whole number", "rwd recode"),
    ("risk a.csv --quasi a --sensitive s --sampling-fraction x", "此处需要数值", "a number", "rwd risk"),
    ("serve --port 99999", "整数（1 至 65535）", "a whole number (1 to 65535)", "rwd serve"),
    ("quality check extra", "多出了参数", "more arguments", "rwd quality check"),
    ("views", "缺少子命令", "a verb is missing", "rwd views"),
    ("break-glass vote r-1 --reason x --yes", "缺少选项 --login", "--login is missing", "rwd break-glass vote"),
    ("text scn", "是否指 scan", "is scan meant", "rwd text"),
    ("--nonsense", "没有选项 --nonsense", "no option --nonsense", "rwd"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "zh", "en", "verb"), WRONG, ids=[case[0] for case in WRONG])
def test_each_slip_is_named_in_both_languages(rwd: Rwd, typed: str, zh: str, en: str, verb: str) -> None:
    answer = rwd(*typed.split())
    assert (answer.code, answer.stdout) == (2, b"")
    *_, said_zh, said_en, next_zh, next_en, code = answer.stderr.strip().splitlines()
    assert said_zh.startswith("✗ ") and zh in said_zh and en in said_en and not is_chinese(said_en)
    assert f"`{verb} --help`" in next_zh and f"`{verb} --help`" in next_en
    assert is_chinese(next_zh) and code.strip() == "[cli.usage]"
    assert "Usage:" not in answer.stderr or verb == "rwd views", "the parser's own English is not shown"


@pytest.mark.parametrize("typed", [case[0] for case in WRONG])
def test_with_json_it_is_one_document_and_one_line(rwd: Rwd, typed: str) -> None:
    answer = rwd(*typed.split(), "--json")
    assert answer.code == 2
    error = answer.document["error"]
    assert error["code"] == "cli.usage" and is_chinese(error["zh"]) and is_chinese(error["next_zh"])
    assert "--help" in error["next_en"] and len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "typed",
    [
        ("quality", "check", "13876543210"),
        ("13876543210",),
        ("validate", "--13876543210"),
        ("recode", "a.csv", "--k", "13876543210x", "--quasi", "a", "--hierarchies", "h"),
        ("serve", "--port", "13876543210"),
    ],
    ids=" ".join,
)
def test_what_was_typed_in_the_wrong_place_is_not_repeated(rwd: Rwd, typed: tuple[str, ...]) -> None:
    """It may be a patient's number: what comes back are names of verbs and options."""
    answer = rwd(*typed, "--json")
    assert answer.code == 2
    assert "13876543210" not in answer.stdout.decode() + answer.stderr


@pytest.mark.parametrize("typed", [(), ("views",), ("break-glass",)], ids=["rwd", "views", "break-glass"])
def test_a_word_that_has_verbs_shows_its_help_too(rwd: Rwd, typed: tuple[str, ...]) -> None:
    answer = rwd(*typed)
    assert (answer.code, answer.stdout) == (2, b"")
    assert "Commands:" in answer.stderr and "[cli.usage]" in answer.stderr


def test_every_module_with_verbs_is_in_the_one_list() -> None:
    """A module that is left out of it would be a verb that nobody can call."""
    with_verbs = {
        found.name
        for found in pkgutil.iter_modules(rwd_platform.cli.__path__)
        if hasattr(importlib.import_module(f"rwd_platform.cli.{found.name}"), "register")
    }
    assert list(VERBS) == sorted(with_verbs)
