"""words.toml: what methods, statistics and sponsor terms are called, and how a value is shown."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.results import Value

Json = dict[str, Any]


@dataclass(frozen=True)
class Term:
    """`form` is one of `number_text` in studies/evidence/templates/verify.py."""

    title: Bilingual
    form: str

    @property
    def pattern(self) -> str:
        """The standard's resultPattern; "" for words, which have none."""
        kind, _, digits = self.form.partition(".")
        if kind == "text":
            return ""
        places = int(digits or 0)
        return "X." + "X" * places if places else "X"


@cache
def words() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def title_of(section: str, name: str) -> Bilingual:
    """A title; a name that nobody has listed stands for itself."""
    found = words()[section].get(name)
    return Bilingual(found["zh"], found["en"]) if found else Bilingual(name, name.replace("_", " "))


def statistic(name: str, value: Value) -> Term:
    """A statistic's title and form. Text has none of a number's forms, a number none of text's."""
    listed = words()["statistics"].get(name, {}).get("form", "text")
    if isinstance(value, str):
        form = "text"
    elif listed != "text":
        form = listed
    else:
        form = "fixed.3" if isinstance(value, float) else "int"
    return Term(title_of("statistics", name), form)


def named(id: str, title: Bilingual, description: Bilingual | None = None) -> Json:
    """A named object of the standard.

    It has one `name`, `label` and `description`. We write: the English in `name`, which is required, the
    Chinese in `label`, and a description as `<zh> / <en>`, as result rows hold their warnings.
    """
    made: Json = {"id": id, **titled(title)}
    if description is not None and any(description):
        made["description"] = joined(description)
    return made


def titled(title: Bilingual) -> Json:
    return {"name": title.en, "label": title.zh}


def joined(text: Bilingual) -> str:
    return f"{text.zh} / {text.en}"


def sponsor_term(enumeration: str, key: str) -> Json:
    """A term of ours by its id alone: the standard's model has a controlled term or a sponsor term, not both."""
    return {"sponsorTermId": f"Term.{enumeration}.{key}"}


def terminology_extensions() -> list[Json]:
    """Our terms beside those of the standard's extensible lists."""
    return [
        {
            "id": f"Terms.{enumeration}",
            "enumeration": enumeration,
            "sponsorTerms": [
                {
                    "id": f"Term.{enumeration}.{key}",
                    "submissionValue": term["value"],
                    "description": joined(Bilingual(term["zh"], term["en"])),
                }
                for key, term in terms.items()
            ],
        }
        for enumeration, terms in words()["sponsor"].items()
    ]
