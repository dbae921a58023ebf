"""Both languages of every text stand side by side, and none is missing.

A template says `t("中文", "English")`. This reads every template's syntax tree: each `t` has two
texts with the same placeholders, and nothing that people read stands outside of one.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

import pytest
from jinja2 import nodes

from rwd_platform.core.errors import PROBLEMS
from rwd_platform.core.text import Bilingual
from rwd_platform.server import templating, texts, transfer_form
from rwd_platform.server.app import create_app

assert create_app  # importing the application declares every problem that a page can show

TEMPLATES = sorted(
    path.relative_to(templating.FOLDER).as_posix() for path in templating.FOLDER.rglob("*.html")
)
_CJK = re.compile(r"[\u3400-\u9fff\uff01-\uff5e\u3000-\u303f]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
# Names that are the same in both languages.
_NAMES = frozenset(
    {
        "SHA",
        "FHIR",
        "Ed",
        "rwd",
        "verify",
        "audit",
        "key",
        "platform",
        "pub",
        "log",
        "checkpoint",
        "txt",
        "package",
        "data",
        "extract",
        "json",
        "keys",
    }
)


def tree(name: str) -> nodes.Template:
    env = templating.environment()
    source, _, _ = env.loader.get_source(env, name)  # type: ignore[union-attr]
    return env.parse(source)


def pairs(name: str) -> Iterator[nodes.Call]:
    for call in tree(name).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            yield call


def outside_of_tags(html: str) -> str:
    """Text between tags. Jinja cut the tags into pieces, so brackets are counted."""
    kept, inside = [], False
    for char in html:
        inside = char == "<" or (inside and char != ">")
        kept.append(" " if inside or char == ">" else char)
    return "".join(kept)


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_text_of_a_template_is_in_both_languages(name: str):
    """Chinese first, English beside it, with the same values filled in."""
    for call in pairs(name):
        assert len(call.args) == 2, (name, call.lineno)
        zh, en = (arg.as_const() for arg in call.args)
        where = f"{name}:{call.lineno} {zh!r} {en!r}"
        assert zh.strip() and en.strip(), where
        if zh != en:
            assert _CJK.search(zh) and not _CJK.search(en), where
        given = {keyword.key for keyword in call.kwargs}
        assert placeholders(zh) == placeholders(en) == given, where


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_that_people_read_stands_outside_of_a_pair(name: str):
    """A word written straight into a template would be the same in both languages."""
    written = "".join(data.data for data in tree(name).find_all(nodes.TemplateData))
    assert not _CJK.search(written), name
    visible = outside_of_tags(written)
    words = set(_LATIN_WORD.findall(visible)) - _NAMES
    assert not words, (name, words)


def test_the_tables_of_words_are_whole():
    """States, kinds of work, duties: every entry has both languages."""
    tables = [value for name, value in vars(texts).items() if name.isupper() and isinstance(value, dict)]
    assert len(tables) >= 8
    found = [pair for table in tables for value in table.values() for pair in _pairs_in(value)]
    found += [pair for group in transfer_form.GROUPS for pair in _pairs_in(group.title)]
    found += [question.ask for question in transfer_form.QUESTIONS]
    assert all(_CJK.search(pair.zh) or pair.zh == pair.en for pair in found)
    assert not [pair for pair in found if _CJK.search(pair.en) or not pair.en.strip()]


def _pairs_in(value: object) -> Iterator[Bilingual]:
    if isinstance(value, Bilingual):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _pairs_in(inner)


def test_every_problem_of_the_server_says_what_happened_and_what_to_do_in_both_languages():
    """An error without a next step leaves a person standing there."""
    ours = [problem for code, problem in PROBLEMS.items() if code.startswith(("server.", "package."))]
    assert len(ours) >= 8
    for problem in ours:
        assert all(_CJK.search(text) for text in (problem.zh, problem.next_zh)), problem.code
        assert not any(_CJK.search(text) for text in (problem.en, problem.next_en)), problem.code
        said = {
            one.removesuffix("_zh") for one in placeholders(problem.zh)
        }  # the same thing, in its own words
        assert said == placeholders(problem.en), problem.code
