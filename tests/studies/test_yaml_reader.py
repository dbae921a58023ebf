"""Documents that are evidence: what a person cannot check by eye, or what would exhaust the machine, is refused."""

from __future__ import annotations

import re

import pytest

from rwd_platform.core.errors import PlatformError
from studies.yaml_reader import Node, read_yaml


def refusal(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        read_yaml(text).keys(("a",))
    assert refused.value.code == "protocol.refused" and refused.value.next_zh and refused.value.next_en
    return refused.value


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"
HOSTILE = [
    ("an anchor", "a: &x 1\n", "anchors and aliases"),
    ("an alias bomb", BOMB, "anchors and aliases"),
    ("a merge key", "a: 1\n<<: {b: 2}\n", "a key is a plain name"),
    ("a tag", "a: !!python/object/apply:os.system ['true']\n", "tags are not used"),
    ("a key twice", "a: 1\na: 2\n", "stands twice"),
    ("a key twice, far below", "a: {b: {c: [{d: 1, d: 2}]}}\n", "stands twice"),
    ("a list as a key", "a: {[1, 2]: 3}\n", "a key is a plain name"),
    ("a tab", "a:\n\t- 1\n", "not valid YAML"),
    ("brackets left open", "a: [1, 2\n", "not valid YAML"),
    ("two documents", "a: 1\n---\na: 2\n", "not valid YAML"),
    ("too deep", "a: " + "[" * 40 + "]" * 40 + "\n", "nested too deeply"),
    ("far too deep", "a: " + "[" * 100_000 + "\n", "nested too deeply"),
    ("an octal number", "a: 010\n", "plain whole number"),
    ("a number that is a time", "a: 12:30\n", "plain whole number"),
    ("a hexadecimal number", "a: 0x1F\n", "plain whole number"),
    ("a control character", "a: \x00\n", "not valid YAML"),
    ("a digit bomb", "a: " + "9" * 100_000 + "\n", "not valid YAML"),
    ("nothing", "", "a mapping"),
    ("a text", "hello\n", "a mapping"),
    ("a list", "- a\n", "a mapping"),
    ("ten megabytes", "a: '" + "x" * 10_000_000 + "'\n", "more than"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "says"), HOSTILE, ids=[one[0] for one in HOSTILE])
def test_what_is_not_plain_yaml_is_refused_at_once(what, text, says):
    """Clear words in place of a stack trace, a guess, or a machine that runs out of memory."""
    assert says in refusal(text).en


def test_the_line_is_the_one_that_an_editor_shows():
    """Of a value its own; of what is missing, the line of what it is missing from."""
    root = read_yaml("a:\n  b:\n    - c: 1\n    - c: 2\n\n# a comment\nd: x\n")
    assert root.at("d").line == 7
    assert [one.line for one in root.at("a").at("b").items()] == [3, 4]
    with pytest.raises(PlatformError) as refused:
        root.at("a").at("b").items()[1].keys(("c", "missing"))
    assert "a.b[item 2].missing (line 4)" in refused.value.en


@pytest.mark.parametrize("key", ["x]", "[", "a..b", ".", "x[0"])
def test_a_key_that_looks_like_a_path_has_a_line_too(key):
    """An odd key is refused like any other, not looked for without end."""
    root = read_yaml(f"known: 1\n'{key}': 2\n")
    with pytest.raises(PlatformError) as refused:
        root.keys(("known",))
    assert "unknown key" in refused.value.en
    assert Node(None, f"{key}.below", root.lines).line in (1, 2)


def test_the_nearest_known_word_is_offered_and_a_far_one_is_not():
    """A slip of the finger is answered with the word that was meant."""
    with pytest.raises(PlatformError) as near:
        read_yaml("requre: 1\n").keys((), ("require", "exclude"))
    with pytest.raises(PlatformError) as far:
        read_yaml("zzz: 1\n").keys((), ("require", "exclude"))
    assert "did you mean require" in near.value.en and "是否想写 require" in near.value.zh
    assert "did you mean" not in far.value.en


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [1\nb: 2", 2), ("a: 1\na: 2", 2), ("a: &x 1", 1), ("a: 010", 1), ("a: !!str 1", 1), ("a: 'x", 1)],
)
def test_what_is_no_plain_yaml_is_said_in_each_language_alone(text: str, line: int):
    """No English stands in the Chinese, neither the parser's words nor ours; the place is a line."""
    with pytest.raises(PlatformError) as caught:
        read_yaml(text)
    assert f"第 {line} 行" in caught.value.zh and f"line {line}" in caught.value.en
    said = re.sub(r"YAML|'[^']*'", "", caught.value.zh)
    assert not re.search("[A-Za-z]", said), said
    assert "cohort.md" in caught.value.next_zh and "protocol.md" in caught.value.next_en


def test_a_document_as_a_whole_is_named_as_such():
    with pytest.raises(PlatformError) as caught:
        read_yaml("- 1").keys(("a",))
    assert "整个文件" in caught.value.zh or "第 1 行" in caught.value.zh
    assert "document" not in caught.value.zh


def test_a_near_word_ends_in_one_full_stop():
    with pytest.raises(PlatformError) as caught:
        read_yaml("procedur: 1").keys((), ("procedure",))
    assert caught.value.zh.endswith("（是否想写 procedure？）。")


def test_a_list_of_items_with_a_key_that_is_no_name_is_refused():
    with pytest.raises(PlatformError, match="plain name"):
        read_yaml("analyses:\n  - ? [a, b]\n    : text\n")


def test_an_item_is_named_by_its_id_unless_the_id_stands_twice():
    root = read_yaml("a:\n- {id: x}\n- {id: y}\n- {id: y}\n- {name: z}\n- {other: w}\n")
    assert root.names == {"a[0]": "x", "a[3]": "z"}
