"""A definition as somebody wrote it: the text read, judged by the linter, and said in sentences.

The text is the `cohort:` section alone, a document with such a section, or a whole protocol; a protocol of the older
form of the cohort is read as a protocol. What the document's `outcome` section names is an outcome here, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError, Problem
from studies.code_lists import codes_of, load
from studies.cohorts.definition import Cohort
from studies.cohorts.lint import Finding, code_lists_of, errors, lint
from studies.cohorts.reader import CohortReader
from studies.cohorts.sentences import Sentence, sentences
from studies.cohorts.tables import PATIENT, Model, load_model
from studies.yaml_reader import Node, read_yaml

MODEL = "lecheng"
MOST_CHARACTERS = 200_000
MOST_QUERIES = 200  # event queries of one definition: an engine is asked each of them

TOO_LARGE = Problem(
    code="cohort.too_large",
    zh="队列定义过大：最多 {characters} 个字符、{queries} 个事件条件。",
    en="The cohort definition is too large: {characters} characters and {queries} event queries at most.",
    next_zh="请把队列拆分，或把逐个列出的条件改写为代码表。",
    next_en="Split the cohort, or put conditions that are listed one by one into a code list.",
    http=413,
)
CONTRADICTS = Problem(
    code="cohort.not_sound",
    zh="队列定义不能运行：{zh}。",
    en="The cohort definition cannot be run: {en}.",
    next_zh="请按 `rwd cohort check` 给出的说明逐条修改。",
    next_en="Mend what `rwd cohort check` names, one by one.",
)
_LATER = frozenset(
    {"outcome_before_freeze", "code_list_unsigned"}
)  # told by who asks for it: at counting, at freezing


@dataclass(frozen=True)
class Written:
    """
    model  -- the study store's, whose outcomes are also those of the text
    sha256 -- of the text
    """

    cohort: Cohort
    model: Model
    findings: tuple[Finding, ...]
    sentences: tuple[Sentence, ...]
    sha256: str

    def check_sound(self) -> Written:
        """Raises `cohort.not_sound` with the first contradiction; outcomes and unsigned lists are judged elsewhere."""
        wrong = [one for one in errors(self.findings) if one.code not in _LATER]
        if wrong:
            at_zh, at_en = f"（第 {wrong[0].line} 行）", f" (line {wrong[0].line})"
            raise CONTRADICTS.error(
                zh=wrong[0].text.zh.rstrip("。") + at_zh, en=wrong[0].text.en.rstrip(".") + at_en
            )
        return self


def read_written(text: str, name: str) -> Written:
    """The definition in a text. Raises `protocol.refused`, naming the line, `cohort.too_large`, `code_list.unknown`."""
    if len(text) > MOST_CHARACTERS:
        raise _too_large()
    root = read_yaml(text)
    node = root.at("cohort") if isinstance(root.value, dict) and root.has("cohort") else root
    cohort = _cohort(node, text, name)
    if sum(1 for _ in cohort.all_events()) > MOST_QUERIES:
        raise _too_large()
    model = load_model(MODEL)
    if node is not root and root.has("outcome"):
        model = replace(model, outcomes=model.outcomes.union(_named(root.at("outcome").value)))
    lists = code_lists_of(tuple(cohort.all_events()))
    unsigned = frozenset(one for one in lists if not load(one).signed)
    found = lint(cohort, model, unsigned=unsigned, node=node)
    return Written(cohort, model, found, sentences(cohort, model), sha256_hex(text.encode()))


def _named(part: Any) -> Iterator[str]:
    """Every table, and every column, that an `outcome` section names, however deep in it."""
    if isinstance(part, list):
        for one in part:
            yield from _named(one)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in ("table", "column") and isinstance(value, str):
                yield from (value,) if key == "table" else (value, f"{PATIENT}.{value}")
            else:
                yield from _named(value)


def _cohort(node: Node, text: str, name: str) -> Cohort:
    if isinstance(node.value, dict) and not node.has("language") and node.has("index"):
        from studies.protocol_definition import definition_of
        from studies.protocol_reader import read_protocol

        return definition_of(read_protocol(text))
    return CohortReader(load_model(MODEL), codes_of).cohort(node, name)


def _too_large() -> PlatformError:
    return TOO_LARGE.error(characters=MOST_CHARACTERS, queries=MOST_QUERIES)
