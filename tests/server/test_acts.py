"""The log speaks in sentences: every act that the program writes, and every permission, has its words."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import rwd_platform
from rwd_platform.access.permissions import Action
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.server import acts
from tests.server import seed
from tests.server.conftest import LogIn

SOURCES = sorted(Path(rwd_platform.__file__ or "").parent.rglob("*.py"))
TABLES: dict[str, Mapping[str, Bilingual]] = {
    "acts": acts.ACTS,
    "asked": acts.ASKED,
    "things": acts.THINGS,
    "programs": acts.PROGRAMS,
}


def texts_in(node: ast.expr, constants: Mapping[str, str]) -> Iterator[str]:
    """The texts that an expression may be: one, a constant of its file, or either side of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.IfExp):
        yield from texts_in(node.body, constants)
        yield from texts_in(node.orelse, constants)


def constants_of(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def arguments(functions: tuple[str, ...], place: int) -> set[str]:
    """The texts that the program hands to these functions at that place."""
    found: set[str] = set()
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        constants = constants_of(tree)
        for node in ast.walk(tree):
            called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if called in functions and len(node.args) > place:
                found.update(texts_in(node.args[place], constants))
    return found


def makers() -> tuple[str, ...]:
    """`Act`, and every function that makes one of the action it is handed as its second argument."""
    found = {"Act"}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and len(node.args.args) > 1:
                handed = node.args.args[1].arg
                found.update(
                    node.name
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call)
                    and getattr(call.func, "id", "") == "Act"
                    and len(call.args) > 1
                    and getattr(call.args[1], "id", "") == handed
                )
    return tuple(found)


def test_every_act_that_the_program_writes_has_a_sentence():
    """A new kind of entry needs its words before it can be merged; an old one stays, because the log does."""
    written = {one for one in arguments(makers(), 1) if "." in one}
    assert len(written) > 50 and {"text.prepared", "release.voted_down"} <= written, (
        "what the search must find"
    )
    assert written - set(acts.ACTS) == set()


def test_every_thing_that_is_acted_on_has_a_name():
    """The kinds named in the program, and the nouns of the permissions, which refusals name."""
    kinds = arguments(("Object",), 0)
    assert {"study", "upload", "text_review"} <= kinds
    nouns = {action.value.partition(".")[0] for action in Action}
    assert (kinds | nouns) - set(acts.THINGS) == set()


def test_every_permission_has_words_and_no_words_are_left_over():
    """The table follows access/permissions.py in both directions."""
    assert set(acts.ASKED) == {action.value for action in Action}


@pytest.mark.parametrize("name", TABLES)
def test_words_are_there_in_both_languages(name: str):
    """Chinese is Chinese, English is English, and neither is the code again."""
    for code, words in TABLES[name].items():
        assert words.zh and not words.zh.isascii() and words.en.isascii(), code
        assert "." not in words.en and "_" not in words.en, code


def test_the_log_page_shows_sentences_and_keeps_the_code_beside_them(platform: Platform, as_user: LogIn):
    """Who, then what in words, and the code small: the same code that the filter and the command take."""
    seed.seed_everything(platform)
    page = as_user("regulator").get("/log?action=transfer.decided").text
    assert (
        "按规则判定了一次数据提供" in page
        and "<code>transfer.decided</code>" in page
        and "出境判定 <a" in page
    )
    assert 'value="transfer.decided" selected>按规则判定了一次数据提供' in page
    english = as_user("regulator", language="en").get("/log?action=transfer.decided").text
    assert "put a provision of data to the rules" in english


def test_a_refusal_says_in_words_what_was_asked_for(platform: Platform, as_user: LogIn):
    """The entry's purpose is a permission's code; people read what it permits."""
    seed.seed_study(platform, state="registered")
    as_user("hospital-a").get(f"/studies/{seed.STUDY}")
    page = as_user("regulator").get("/log?action=access.refused").text
    assert "提出的请求被拒绝：查看研究" in page


def test_an_act_without_words_and_an_actor_without_account_are_still_shown(
    platform: Platform, as_user: LogIn
):
    """An old log may hold what today's program does not write; hostile text stays text."""
    actor = Actor("<b>ghost</b>", "researcher", "org-operator")
    platform.records.record(Act(actor, "relic.found", Object("relic", "<i>1</i>")))
    page = as_user("regulator").get("/log?action=relic.found").text
    assert (
        "relic.found" in page
        and "无平台账号者（&lt;b&gt;ghost&lt;/b&gt;）" in page
        and "<i>1</i>" not in page
    )


@pytest.mark.parametrize(
    ("id", "shown"),
    [
        ("u1", Bilingual("张三", "张三")),
        ("demo", Bilingual("演示程序", "the demo")),
        ("root", Bilingual("无平台账号者（root）", "root (no account)")),
    ],
)
def test_whoever_acted_is_named(id: str, shown: Bilingual):
    """A person, a program of ours, or that the platform knows no such account."""
    assert acts.person(id, {"u1": "张三"}) == shown
