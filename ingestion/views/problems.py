"""What can be wrong with a view, and the exceptions of parsers and closures, which do not know the view."""

from __future__ import annotations

from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual

BAD_VIEW = Problem(
    code="views.definition",
    zh="视图 {view} 的定义有误，位置 {path}：{why_zh}。",
    en="View {view} is not well defined, at {path}: {why_en}.",
    next_zh="请按 docs/reference/views.md 所列的写法修改该 ViewDefinition 后重试。",
    next_en="Correct the ViewDefinition as docs/reference/views.md describes, then try again.",
)

BAD_VALUE = Problem(
    code="views.value",
    zh="视图 {view} 的 {place} 无法由这份资源得到：{why_zh}。",
    en="{place} of view {view} cannot be made from this resource: {why_en}.",
    next_zh="请检查资源中该元素，或在视图中用 first()、forEach 或 collection 说明取哪一个值。",
    next_en="Check that element, or say in the view which value to take: first(), forEach or collection.",
)


class Refused(Exception):
    """A rule was broken; whoever knows the view and the place turns this into a `PlatformError`."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.why = Bilingual(zh, en)


class ExpressionRefused(Refused):
    """An expression is not in the subset of FHIRPath that views may use. Found when a view is compiled."""


class EvaluationRefused(Refused):
    """An expression has no value for this resource by the rules of FHIRPath. Found when rows are made."""


def bad_view(view: str, path: str, why: Bilingual) -> PlatformError:
    return BAD_VIEW.error(view=view, path=path or "/", why_zh=why.zh, why_en=why.en)


def bad_value(view: str, place: str, why: Bilingual) -> PlatformError:
    return BAD_VALUE.error(view=view, place=place, why_zh=why.zh, why_en=why.en)
