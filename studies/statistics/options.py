"""What a public function asks of its single arguments before anything else: the kind that its signature names.

Columns are checked by `studies.statistics.inputs`, ranges by the function that knows them. What is left is what a
caller gets wrong without noticing: a word or a list where a number belongs, a missing or infinite number, yes or no
for a count, None where nothing may be left out. `checked` reads the annotations and refuses these by name, so that
no function has to say it again and none forgets.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable
from functools import cache, wraps
from numbers import Real
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from rwd_platform.core.text import Bilingual
from studies.reasons import BAD_ARGUMENT, NOT_A_NUMBER, CannotEstimate

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
Check = Callable[[object, str], object]


def checked(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """`function`, which first refuses single arguments that are not of the kind its signature names.

    float -- one finite number up to 1e50 in size (NumPy's too, never True or False); int -- one without a fraction,
    3.0 is taken as 3; a `seed` is also at least 0; bool -- True or False; str -- a word; Literal -- one of its values.
    None passes only where the annotation has it. Other annotations are not looked at.
    Raises `CannotEstimate(BAD_ARGUMENT)`; for a number that is no option but what is analysed (positional, without a
    default) NOT_A_NUMBER, and whether it has to be whole is left to the function.
    """
    signature = inspect.signature(function)

    @cache
    def checks() -> dict[str, Check]:
        # At the first call: annotations may name what the module defines further down.
        return single_arguments(function)

    @wraps(function)
    def call(*given: Given.args, **named: Given.kwargs) -> Answer:
        bound = signature.bind(*given, **named)
        for argument, check in checks().items():
            if argument in bound.arguments:
                bound.arguments[argument] = check(bound.arguments[argument], argument)
        return function(*bound.args, **bound.kwargs)

    return call


def single_arguments(function: Callable[..., Any]) -> dict[str, Check]:
    """The arguments of `function` that are single numbers, words or yes/no by annotation, each with its check."""
    hints = get_type_hints(function)
    found = {}
    for name, one in inspect.signature(function).parameters.items():
        check = _check_of(hints.get(name))
        if check in (finite, whole) and one.kind is not one.KEYWORD_ONLY and one.default is one.empty:
            check = analysed
        if check is not None:
            found[name] = check
    return found


def analysed(value: object, argument: str) -> float:
    """One finite number that is analysed (events, a mean), with the reason that columns have."""
    try:
        return finite(value, argument)
    except CannotEstimate as no_number:
        raise CannotEstimate(NOT_A_NUMBER, variable=argument) from no_number


def finite(value: object, argument: str) -> float:
    """One finite number, 0 or within 1e-50 to 1e50 in size; True and False are none.

    Squares and fourth powers are taken of nearly every option, and have to stay numbers. An int stays one, so that
    it prints as it was given.
    """
    if isinstance(value, Real) and not isinstance(value, bool) and _in_reach(value):
        return value if isinstance(value, int | float) else float(value)
    raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=_FINITE)


def whole(value: object, argument: str) -> int:
    """One finite number without a fraction; of a seed also that it is not negative."""
    try:
        number = finite(value, argument)
    except CannotEstimate as no_number:
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=_WHOLE) from no_number
    if number != math.floor(number):
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=_WHOLE)
    if argument == "seed" and number < 0:
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed="0, 1, 2, ...")
    return int(number)


def yes_or_no(value: object, argument: str) -> bool:
    """True or False, Python's or NumPy's; 1 and 0 are numbers."""
    if not isinstance(value, bool | np.bool_):
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed="True, False")
    return bool(value)


def word(value: object, argument: str) -> str:
    """A word; which ones there are the function says."""
    if not isinstance(value, str):
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=_WORD)
    return value


def _in_reach(value: Real) -> bool:
    try:
        size = abs(float(value))
    except OverflowError:  # a whole number beyond every float
        return False
    return size == 0.0 or _LEAST <= size <= _MOST


_LEAST, _MOST = 1e-50, 1e50
_FINITE = Bilingual("一个有限的数（绝对值不超过 1e50）", "one finite number (up to 1e50 in size)")
_WHOLE = Bilingual("一个整数", "one whole number")
_WORD = Bilingual("一个选项名称（文字）", "the name of an option (text)")
_KINDS: dict[Any, Check] = {float: finite, int: whole, bool: yes_or_no, str: word}


def _check_of(hint: Any) -> Check | None:
    """The check of an annotation, None where it is no single number, word or yes/no."""
    if get_origin(hint) is Literal:
        return _one_of(get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        inner = [one for one in get_args(hint) if one is not type(None)]
        check = _check_of(inner[0]) if len(inner) == 1 else None
        if check is None or len(inner) == len(get_args(hint)):
            return None
        return lambda value, argument: None if value is None else check(value, argument)
    return _KINDS.get(hint) if isinstance(hint, type) else None


def _one_of(allowed: tuple[object, ...]) -> Check:
    def check(value: object, argument: str) -> object:
        # By type too: True is not 1. A list cannot be compared with a set, so it is not looked up in one.
        if not any(
            isinstance(value, type(one)) and value == one and type(value) is not bool for one in allowed
        ):
            raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=", ".join(map(str, allowed)))
        return value

    return check
