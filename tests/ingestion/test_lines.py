"""Lines are read one at a time, whatever their size and wherever the stream is cut into pieces."""

from __future__ import annotations

import pytest

from ingestion.lines import Line, read_lines
from tests.ingestion.sending import opener

CASES = [
    ("nothing", b"", []),
    ("no line end", b"a", [(1, b"a")]),
    ("a line end at the end", b"a\n", [(1, b"a")]),
    ("CRLF", b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
    ("blank lines count", b"\n \n\r\na\n\t\nb", [(4, b"a"), (6, b"b")]),
    ("blanks inside stay", b"  a \n", [(1, b"  a ")]),
    ("a lone CR is no line end", b"a\rb\n", [(1, b"a\rb")]),
    ("other line ends of Unicode are none", "a\u2028b\x0bc\n".encode(), [(1, "a\u2028b\x0bc".encode())]),
]


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
@pytest.mark.parametrize(("what", "content", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_line_is_its_bytes_without_the_line_end(
    what: str, content: bytes, expected: list[tuple[int, bytes]], piece: int
) -> None:
    found = list(read_lines(opener(content, piece)(), 100, 10))
    assert found == [Line(number, raw) for number, raw in expected], what


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_of_a_line_that_is_too_long_only_the_beginning_is_kept(piece: int, end: bytes) -> None:
    content = b"a\n" + b"x" * 101 + b"\nb\n" + b"y" * 5000 + end
    found = list(read_lines(opener(content, piece)(), 100, 10))
    assert found == [
        Line(1, b"a"),
        Line(2, b"x" * 10, too_long=True),
        Line(3, b"b"),
        Line(4, b"y" * 10, too_long=True),
    ]


def test_a_line_of_exactly_the_limit_is_read() -> None:
    assert list(read_lines(opener(b"x" * 100 + b"\n")(), 100, 10)) == [Line(1, b"x" * 100)]
