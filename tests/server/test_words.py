"""What Chinese readers see is set as Chinese: quotation marks are “ ” and not the typewriter's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jinja2 import nodes

from rwd_platform import server
from rwd_platform.server import templating

FOLDER = Path(server.__file__ or "").parent
TEMPLATES = sorted(
    path.relative_to(templating.FOLDER).as_posix() for path in templating.FOLDER.rglob("*.html")
)
SOURCES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py"))
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_TYPEWRITER = re.compile("[\"']")  # the backtick marks a command, in both languages


def in_template(name: str) -> Iterator[str]:
    env = templating.environment()
    source, _, _ = env.loader.get_source(env, name)  # type: ignore[union-attr]  # the environment has a loader
    for const in env.parse(source).find_all(nodes.Const):
        if isinstance(const.value, str):
            yield const.value


def in_source(name: str) -> Iterator[str]:
    """The texts of a module that are no docstrings."""
    tree = ast.parse((FOLDER / name).read_text("utf-8"))
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    about = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, holders)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in about:
            yield node.value


def leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, str):
        yield value


def faults(texts: Iterator[str]) -> list[str]:
    return [text for text in texts if _CHINESE.search(text) and _TYPEWRITER.search(text)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_chinese_text_of_a_template_has_typewriter_quotes(name: str):
    """Texts stand in `t("…", "…")`; the quotes around them belong to the template."""
    assert faults(in_template(name)) == []


@pytest.mark.parametrize("name", SOURCES)
def test_no_chinese_text_of_a_module_has_typewriter_quotes(name: str):
    """Tables of words, problems, questions."""
    assert faults(in_source(name)) == []


def test_no_chinese_text_of_the_transfer_form_has_typewriter_quotes():
    """Its questions are data beside the code."""
    found = list(leaves(yaml.safe_load((FOLDER / "transfer_questions.yaml").read_text("utf-8"))))
    assert any(_CHINESE.search(text) for text in found)
    assert faults(iter(found)) == []


def test_the_search_finds_typewriter_quotes():
    """Else the tests above could not fail."""
    assert faults(iter(["选“是”", '选"是"', "选'是'", 'choose "yes"'])) == ['选"是"', "选'是'"]
