"""Wrong use of a command, told in both languages: once for the whole parser, whatever the verb.

The parser's own messages are English, and repeat what was typed; here a value never comes back, only the names of
options and verbs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from typer.core import TyperGroup

USAGE = Problem(
    code="cli.usage",
    zh="命令的写法不对：{why_zh}。",
    en="The command is not written as it should be: {why}.",
    next_zh="请运行 `{command} --help` 查看写法。",
    next_en="Run `{command} --help` to see how it is written.",
)
# Typer may bring a click of its own, so its errors are found through what it exports itself.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

_UNKNOWN_VERB = re.compile(r"No such command '(.*?)'\.", re.DOTALL)
_VERB = re.compile(r"[a-z][a-z-]{0,30}")
_OPTION = re.compile(r"--?[A-Za-z][A-Za-z-]{0,40}")
_CHOICE = re.compile(r"'([a-z0-9_-]{1,40})'")
_MOST_NAMED = 5


def usage_problem(error: Exception, app: typer.Typer, words: Sequence[str]) -> PlatformError:
    """The parser's error as a problem of the house. `words` is what was typed after `rwd`."""
    verbs, known = _verbs(app, words)
    why = _why(error, known)
    return USAGE.error(why_zh=why.zh, why=why.en, command=" ".join(("rwd", *verbs)))


def bare_group(error: Exception) -> bool:
    """Whether nothing came after a word that has verbs of its own: its error's text is the help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _verbs(app: typer.Typer, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The verbs that the words begin with, and those that could follow."""
    here: Any = typer.main.get_command(app)
    found: list[str] = []
    for word in words:
        following: TyperGroup | None = getattr(here, "commands", {}).get(word)
        if following is None:
            break
        found.append(word)
        here = following
    return found, sorted(getattr(here, "commands", {}))


def _why(error: Any, known: Sequence[str]) -> Bilingual:
    """By the kind of the parser's error; the names are those that its errors have had for ten years."""
    match type(error).__name__:
        case "MissingParameter":
            name = _name_of(error.param)
            return (
                Bilingual(f"缺少选项 {name}", f"the option {name} is missing")
                if name.startswith("-")
                else Bilingual(f"缺少参数 {name}", f"the argument {name} is missing")
            )
        case "NoSuchOption":
            return _unknown("选项", "option", error.option_name, error.possibilities or (), _OPTION)
        case "BadOptionUsage":
            return _bad_option(error)
        case "BadParameter":
            return _bad_value(error)
        case "NoArgsIsHelpError":
            return Bilingual("缺少子命令", "a verb is missing")
        case _:
            return _other(str(error.message), known)


def _other(message: str, known: Sequence[str]) -> Bilingual:
    verb = _UNKNOWN_VERB.match(message)
    if verb is not None:
        return _unknown("命令", "verb", verb[1], difflib.get_close_matches(verb[1], known), _VERB)
    return Bilingual(
        "多出了参数（含空格的路径或列名须加引号）",
        "there are more arguments than it takes (a path or a column name with a space needs quotes)",
    )


def _unknown(zh: str, en: str, typed: str, near: Iterable[str], form: re.Pattern[str]) -> Bilingual:
    """What was typed is repeated where it has a verb's or an option's form: it may be anything, a number too."""
    shown = f" {typed}" if form.fullmatch(typed) else ""
    close = sorted(near)[:_MOST_NAMED]
    return Bilingual(
        f"没有{zh}{shown}" + (f"，是否指 {'、'.join(close)}" if close else ""),
        f"there is no {en}{shown}" + (f"; is {' or '.join(close)} meant" if close else ""),
    )


def _bad_option(error: Any) -> Bilingual:
    name = error.option_name
    if "does not take a value" in error.message:
        return Bilingual(f"选项 {name} 不带值", f"the option {name} takes no value")
    return Bilingual(f"选项 {name} 后面缺少值", f"the option {name} needs a value after it")


def _bad_value(error: Any) -> Bilingual:
    name, asked = _name_of(error.param), _asked(error.param, str(error.message))
    return Bilingual(
        f"{name} 的值不能使用，此处需要{asked.zh}",
        f"the value of {name} cannot be used, {asked.en} is needed",
    )


def _asked(parameter: Any, message: str) -> Bilingual:
    # The parser quotes what was typed first and its own choices last.
    choices = (
        _CHOICE.findall(message.rpartition(" is not one of ")[2]) if " is not one of " in message else []
    )
    if choices:
        return Bilingual(f"下列之一：{'、'.join(choices)}", f"one of {', '.join(choices)}")
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    limits = Bilingual("", "")
    if low is not None or high is not None:
        ends = ("" if low is None else f"{low:g}", "" if high is None else f"{high:g}")
        limits = Bilingual(f"（{ends[0]} 至 {ends[1]}）", f" ({ends[0]} to {ends[1]})")
    if "integer" in message or isinstance(low, int):
        return Bilingual(f"整数{limits.zh}", f"a whole number{limits.en}")
    if "number" in message or limits.en:
        return Bilingual(f"数值{limits.zh}", f"a number{limits.en}")
    return Bilingual("另一种写法", "another form")


def _name_of(parameter: Any) -> str:
    """`--policy`, or an argument as the usage line writes it: FILES."""
    if parameter is None:
        return ""
    name = max(parameter.opts, key=len)
    return str(name if name.startswith("-") else name.upper())
