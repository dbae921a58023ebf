"""A protocol on a page: the outline that everybody reads first, taken from its YAML.

Only for showing. What binds is the text itself, which the page links to and whose hash is frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

import studies
from rwd_platform.core.text import Bilingual

EXAMPLES = Path(studies.__file__ or "").parent / "protocols"

_HEADINGS: tuple[tuple[str, Bilingual], ...] = (
    ("question", Bilingual("研究问题", "Question")),
    ("why_real_world_data", Bilingual("为何需要真实世界数据", "Why real-world data")),
    ("prior_knowledge", Bilingual("事先已知的结局", "What was known of outcomes")),
    ("estimand.population", Bilingual("估计目标：人群", "Estimand: population")),
    ("estimand.treatment", Bilingual("估计目标：治疗", "Estimand: treatment")),
    ("estimand.variable", Bilingual("估计目标：变量", "Estimand: variable")),
    ("estimand.summary_measure", Bilingual("估计目标：汇总指标", "Estimand: summary measure")),
    ("exposure.title", Bilingual("暴露", "Exposure")),
    ("exposure.comparator_title", Bilingual("对照", "Comparator")),
    ("outcome.title", Bilingual("结局", "Outcome")),
)


@dataclass(frozen=True)
class Outline:
    """Headings with their texts, the planned analyses, and the limits that the protocol states itself."""

    sections: tuple[tuple[Bilingual, Bilingual], ...]
    analyses: tuple[Bilingual, ...]
    limits: tuple[Bilingual, ...]
    names: Mapping[str, Bilingual]  # of planned analyses by id, and of covariates and their levels
    prior_knowledge: Bilingual | None = None
    kinds: Mapping[str, Bilingual] = field(
        default_factory=dict
    )  # of events that compete: `event`, `competing`
    criteria: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # planned analysis -> its criterion
    planned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # planned analysis -> its fields
    exposure: str = ""  # its name, as results write it
    ph_alpha: float | None = None
    largest_smd: float | None = None


def outline(text: str) -> Outline:
    """What can be read of the protocol. A text that no longer parses gives an empty outline, not an error."""
    try:
        protocol = yaml.safe_load(text)
    except yaml.YAMLError:
        protocol = None
    if not isinstance(protocol, dict):
        return Outline((), (), (), {})
    sections = [(heading, _pair(_at(protocol, key))) for key, heading in _HEADINGS]
    return Outline(
        sections=tuple((heading, words) for heading, words in sections if words is not None),
        analyses=_pairs(_at(protocol, "analyses"), "title"),
        limits=_pairs(_at(protocol, "limits"), ""),
        prior_knowledge=_pair(protocol.get("prior_knowledge")),
        kinds=_kinds(_at(protocol, "outcome.competing")),
        criteria=_criteria(protocol.get("analyses")),
        planned=_planned(protocol.get("analyses")),
        exposure=str(_at(protocol, "exposure.name") or ""),
        ph_alpha=_number(_at(protocol, "diagnostics.ph_alpha")),
        largest_smd=_number(_at(protocol, "diagnostics.largest_smd")),
        names={**_titles(protocol.get("analyses"), "id"), **_covariate_names(protocol.get("covariates"))},
    )


@lru_cache(maxsize=64)
def designs(text: str) -> tuple[Any, ...]:
    """What the planned single-arm designs do in the long run, from the text alone; () where it no longer parses."""
    from rwd_platform.core.errors import PlatformError
    from studies.design_stage import designs_of
    from studies.protocol import load_protocol

    try:
        return designs_of(load_protocol(text))
    except PlatformError:
        return ()


@lru_cache(maxsize=64)
def unplanned(text: str) -> tuple[Bilingual, ...]:
    """Diagnostics without which results would never be unsealed and that the protocol does not plan."""
    from rwd_platform.core.errors import PlatformError
    from studies.before_unsealing import unplanned_diagnostics
    from studies.protocol import load_protocol

    try:
        return tuple(one.text for one in unplanned_diagnostics(load_protocol(text)))
    except PlatformError:
        return ()


def plans_texts(text: str) -> bool:
    """Whether the protocol plans to use free texts, so that the page can offer it; the flow decides."""
    try:
        protocol = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return _at(protocol, "lock.free_text") is True


def _at(protocol: Any, key: str) -> Any:
    for part in key.split("."):
        protocol = protocol.get(part) if isinstance(protocol, Mapping) else None
    return protocol


def _kinds(competing: Any) -> dict[str, Bilingual]:
    titles = (("event", _pair(_at(competing, "event_title"))), ("competing", _pair(_at(competing, "title"))))
    return {name: title for name, title in titles if title is not None}


def _pair(value: Any) -> Bilingual | None:
    if isinstance(value, Mapping) and isinstance(value.get("zh"), str) and isinstance(value.get("en"), str):
        return Bilingual(value["zh"].strip(), value["en"].strip())
    return None


def _titles(items: Any, key: str) -> dict[str, Bilingual]:
    """The titles of things that name themselves by `key`; what has no title in both languages is left out."""
    found = {}
    for item in items if isinstance(items, list) else []:
        words = _pair(_at(item, "title"))
        if words is not None and isinstance(item.get(key), str):
            found[item[key]] = words
    return found


def _criteria(analyses: Any) -> dict[str, Mapping[str, Any]]:
    return {
        id: one["criterion"]
        for id, one in _planned(analyses).items()
        if isinstance(one.get("criterion"), Mapping)
    }


def _planned(analyses: Any) -> dict[str, Mapping[str, Any]]:
    """The planned analyses as the protocol writes them, by id."""
    listed = analyses if isinstance(analyses, list) else []
    return {str(one["id"]): one for one in listed if isinstance(one, Mapping) and "id" in one}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _covariate_names(items: Any) -> dict[str, Bilingual]:
    """A covariate by its name, and each of its levels as results write it: "meno premenopausal"."""
    names = _titles(items, "name")
    for item in items if isinstance(items, list) else []:
        name = _at(item, "name")
        if name in names:
            for level, words in _titles(item.get("levels"), "id").items():
                both = Bilingual(f"{names[name].zh}：{words.zh}", f"{names[name].en}: {words.en}")
                names[f"{name} {level}"] = both
    return names


def _pairs(items: Any, field: str) -> tuple[Bilingual, ...]:
    found = [
        _pair(_at(item, field) if field else item) for item in (items if isinstance(items, list) else [])
    ]
    return tuple(one for one in found if one is not None)


def example_names() -> tuple[str, ...]:
    """The protocols that come with the project, by name."""
    return tuple(sorted(path.stem for path in EXAMPLES.glob("*.yaml")))


def example(name: str) -> str:
    """The text of one of them; "" for a name that is none."""
    return (EXAMPLES / f"{name}.yaml").read_text("utf-8") if name in example_names() else ""


def product(text: str) -> str:
    """drug | device | "": by the table of the exposure's records."""
    from studies.evidence.profiles.choice import product_of

    try:
        protocol = yaml.safe_load(text)
    except yaml.YAMLError:
        return ""
    return product_of(str(_at(protocol, "exposure.records.table")))
