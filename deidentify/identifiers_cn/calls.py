"""李总, 王姐, 陈工: a surname with a word of every day is somebody where a clinical role stands in the same clause.

The lists are names.toml. 施工, 查总胆红素 and a 王总 at a meeting are passed over.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache

from deidentify.identifiers_cn.found import NAME, Found
from deidentify.identifiers_cn.names import TABLE, ends_like_a_name, words

_HAN = "\u3400-\u9fff\U00020000-\U0003ffff"
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_REACH = 40  # characters on either side in which the role must stand: longer clauses speak of several people
_CLAUSE_END = re.compile("[。;!?\n]")


def find_calls(plain: str) -> Iterator[Found]:
    """Surnames before 总, 工, 姐 and 哥 in a text in normal form; the word after the surname stays."""
    for match in _called().finditer(plain):
        start, end = match.span("surname")
        doubtful = plain[start] in words().doubtful and start and _HAN_CHARACTER.match(plain, start - 1)
        if plain[start : match.end()] in _lists("not_called") or doubtful or not _ends(plain, match.end()):
            continue
        before = _CLAUSE_END.split(plain[max(0, start - _REACH) : start])[-1]
        after = _CLAUSE_END.split(plain[match.end() : match.end() + _REACH])[0]
        if any(role in before or role in after for role in _lists("clinical_roles")):
            yield Found(NAME, start, end)


def _ends(plain: str, end: int) -> bool:
    return ends_like_a_name(plain, end) or plain.startswith(_lists("after_calls"), end)


@cache
def _lists(name: str) -> tuple[str, ...]:
    return tuple(tomllib.loads(TABLE.read_text(encoding="utf-8"))[name].split())


@cache
def _called() -> re.Pattern[str]:
    surnames = "|".join([*sorted(words().compound), f"[{''.join(sorted(words().surnames))}]"])
    roles = "|".join(f"(?<={re.escape(role)})" for role in words().roles if len(role) > 1)
    return re.compile(
        f"(?:(?<![{_HAN}])|(?<=[由与请和给向随同为叫找让嘱对将把])|{roles})(?P<surname>{surnames})[总工姐哥]"
    )
