"""The functions an expression may call: a closed set.

Each entry of `FUNCTIONS` builds, once per place in a view, a closure that maps the collection on
the left of the dot to a new one. A function that is not here is refused when the view is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingestion.views import temporal, values
from ingestion.views.problems import EvaluationRefused, ExpressionRefused
from ingestion.views.temporal import Temporal
from ingestion.views.units import in_common_unit
from ingestion.views.values import Collection


class Scope(NamedTuple):
    """What an expression is evaluated in: the whole resource and the place in the nearest iteration."""

    resource: dict[str, Any]
    row_index: int = 0


Evaluate = Callable[[Collection, Scope], Collection]
# (what stands left of the dot, what the whole expression is about, scope) -> result
Apply = Callable[[Collection, Collection, Scope], Collection]


@dataclass(frozen=True)
class Site:
    """One call in an expression: its arguments, compiled, and what is known about its surroundings.

    type_names    -- for each argument, the name it would be as a type (`Patient`, `string`), if it is one
    source_type   -- the FHIR type of what stands left of the dot, where the expression says it
    declared_type -- the type that the column declares: tells a date from a dateTime written as a date
    """

    name: str
    arguments: tuple[Evaluate, ...]
    type_names: tuple[str | None, ...]
    source_type: str | None = None
    declared_type: str | None = None


def _where(site: Site) -> Apply:
    criteria = site.arguments[0]

    def keep(items: Collection, _about: Collection, scope: Scope) -> Collection:
        return [item for item in items if _criterion(criteria([item], scope))]

    return keep


def _criterion(answer: Collection) -> bool:
    value = values.single(answer, "where() 的条件", "the criterion of where()")
    if value is not None and not isinstance(value, bool):
        raise EvaluationRefused("where() 的条件不是真或假", "the criterion of where() is not true or false")
    return value is True


def _exists(site: Site) -> Apply:
    if not site.arguments:
        return lambda items, _about, _scope: [bool(items)]
    keep = _where(site)
    return lambda items, about, scope: [bool(keep(items, about, scope))]


def _empty(_site: Site) -> Apply:
    return lambda items, _about, _scope: [not items]


def _not(_site: Site) -> Apply:
    def negate(items: Collection, _about: Collection, _scope: Scope) -> Collection:
        answer = values.truth(items)
        return [] if answer is None else [not answer]

    return negate


def _first(_site: Site) -> Apply:
    return lambda items, _about, _scope: items[:1]


def _last(_site: Site) -> Apply:
    return lambda items, _about, _scope: items[-1:]


def _count(_site: Site) -> Apply:
    return lambda items, _about, _scope: [len(items)]


def _select(site: Site) -> Apply:
    projection = site.arguments[0]
    return lambda items, _about, scope: [found for item in items for found in projection([item], scope)]


def _join(site: Site) -> Apply:
    separator_of = site.arguments[0] if site.arguments else None

    def join(items: Collection, about: Collection, scope: Scope) -> Collection:
        separator = "" if separator_of is None else "".join(_texts(separator_of(about, scope)))
        return [separator.join(_texts(items))]

    return join


def _texts(items: Collection) -> list[str]:
    texts = [values.as_text(item) for item in items]
    if None in texts:
        raise EvaluationRefused("join() 只能用于文字", "join() takes texts only")
    return [text for text in texts if text is not None]


def _extension(site: Site) -> Apply:
    url_of = site.arguments[0]

    def with_url(items: Collection, about: Collection, scope: Scope) -> Collection:
        wanted = values.single(url_of(about, scope), "扩展的 URL", "the URL of the extension")
        return [
            extension
            for item in items
            if isinstance(item, dict)
            for extension in item.get("extension") or ()
            if isinstance(extension, dict) and extension.get("url") == wanted
        ]

    return with_url


def _of_type(site: Site) -> Apply:
    kind = _type_argument(site, 0)
    return lambda items, _about, _scope: [item for item in items if values.fits(item, kind)]


def _resource_key(_site: Site) -> Apply:
    def keys(items: Collection, _about: Collection, _scope: Scope) -> Collection:
        return [
            item["id"] for item in items if isinstance(item, dict) and "resourceType" in item and "id" in item
        ]

    return keys


def _reference_key(site: Site) -> Apply:
    wanted = _type_argument(site, 0) if site.arguments else None

    def keys(items: Collection, _about: Collection, _scope: Scope) -> Collection:
        found = (reference_key(item, wanted) for item in items if isinstance(item, dict))
        return [key for key in found if key is not None]

    return keys


def reference_key(reference: dict[str, Any], wanted_type: str | None) -> str | None:
    """The id in a Reference, if it can be of the wanted type.

    `Patient/p1`, an absolute URL and a versioned one name their type; `urn:uuid:...` does not, then
    `Reference.type` decides, and without it the reference is taken at its word. A contained resource
    (`#...`) has no row of its own, so it has no key.
    """
    target = reference.get("reference")
    if not isinstance(target, str) or target.startswith("#"):
        return None
    if target.startswith("urn:"):
        named_type, key = reference.get("type"), target.rsplit(":", 1)[-1]
    else:
        parts = target.split("/_history/", 1)[0].rstrip("/").split("/")
        named_type, key = (parts[-2] if len(parts) > 1 else reference.get("type")), parts[-1]
    if wanted_type is not None and named_type is not None and named_type != wanted_type:
        return None
    return key or None


def _low(site: Site) -> Apply:
    return _boundary(site, high=False)


def _high(site: Site) -> Apply:
    return _boundary(site, high=True)


def _boundary(site: Site, *, high: bool) -> Apply:
    known = site.source_type or site.declared_type

    def bound(items: Collection, _about: Collection, _scope: Scope) -> Collection:
        value = values.single(items, f"{site.name}() 的输入", f"the input of {site.name}()")
        if value is None:
            return []
        if values.is_number(value):
            return [values.decimal_boundary(value, high=high)]
        moment = values.as_temporal(value)
        if moment is None:
            raise EvaluationRefused(
                f"{site.name}() 只能用于数、日期和时间", f"{site.name}() takes numbers, dates and times only"
            )
        kind = "time" if moment.is_time else "dateTime" if len(moment.parts) > 3 else known or "date"
        return [temporal.boundary(moment, kind, high=high)]

    return bound


def _to_string(_site: Site) -> Apply:
    def text(items: Collection, _about: Collection, _scope: Scope) -> Collection:
        written = values.as_text(values.single(items, "toString() 的输入", "the input of toString()"))
        return [] if written is None else [written]

    return text


def _to_date(_site: Site) -> Apply:
    """The date part as written, in the text's own time zone; a partial date stays partial."""

    def date_part(items: Collection, _about: Collection, _scope: Scope) -> Collection:
        value = values.single(items, "toDate() 的输入", "the input of toDate()")
        text = temporal.date_part(value.text if isinstance(value, Temporal) else value)
        return [] if text is None else [text]

    return date_part


def _ucum_value(_site: Site) -> Apply:
    """Of a Quantity the number in its common unit, exact; nothing where no exact conversion is known. Ours."""
    return lambda items, _about, _scope: [
        found[0] for found in map(in_common_unit, items) if found is not None
    ]


def _ucum_unit(_site: Site) -> Apply:
    """The UCUM code of that common unit. Ours, like `ucumValue()`: SQL on FHIR has no conversion of units."""
    return lambda items, _about, _scope: [
        found[1] for found in map(in_common_unit, items) if found is not None
    ]


def _type_argument(site: Site, position: int) -> str:
    name = site.type_names[position]
    if name is None:
        raise ExpressionRefused(
            f"{site.name}() 的参数应为类型名，如 Patient 或 string",
            f"{site.name}() takes the name of a type, such as Patient or string",
        )
    return name


@dataclass(frozen=True)
class Function:
    """How a function is built, and how many arguments it takes."""

    build: Callable[[Site], Apply]
    fewest: int = 0
    most: int = 0


FUNCTIONS: dict[str, Function] = {
    "where": Function(_where, 1, 1),
    "exists": Function(_exists, 0, 1),
    "empty": Function(_empty),
    "not": Function(_not),
    "first": Function(_first),
    "last": Function(_last),
    "count": Function(_count),
    "select": Function(_select, 1, 1),
    "join": Function(_join, 0, 1),
    "extension": Function(_extension, 1, 1),
    "ofType": Function(_of_type, 1, 1),
    "getResourceKey": Function(_resource_key),
    "getReferenceKey": Function(_reference_key, 0, 1),
    "lowBoundary": Function(_low),
    "highBoundary": Function(_high),
    "toString": Function(_to_string),
    "toDate": Function(_to_date),
    "ucumValue": Function(_ucum_value),
    "ucumUnit": Function(_ucum_unit),
}
