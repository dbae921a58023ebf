"""Who stands in the structured record: names, numbers and addresses, out of FHIR resources or a roster's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from deidentify.free_text.spelling import HAN
from rwd_platform.core.errors import Problem

_FAMILIES = ("Patient", "RelatedPerson", "Practitioner", "Person")

ROSTER_UNFIT = Problem(
    code="text.roster_unfit",
    zh="名册中第 {number} 个人的写法不对。",
    en="Person {number} of the roster is not written as it should be.",
    next_zh='整个文件写作 `{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`，'
    "各项均为文本列表；也可直接给出 FHIR 资源或 Bundle。",
    next_en='Write the file as `{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`, '
    "every one a list of texts; FHIR resources or a Bundle will do as well.",
)

ROSTER_KEYLESS = Problem(
    code="text.roster_keyless",
    zh="名册缺少 `people` 这一项，或者它不是列表。",
    en="The roster has no key `people`, or what stands there is no list.",
    next_zh='整个文件写作 `{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`，'
    "各项均为文本列表；也可直接给出 FHIR 资源或 Bundle。",
    next_en='Write the file as `{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`, '
    "every one a list of texts; FHIR resources or a Bundle will do as well.",
)


class Person(NamedTuple):
    """Somebody of the structured record. `subject` tells people apart and shows nowhere."""

    subject: str
    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()  # phones, ids, record numbers, e-mail addresses
    addresses: tuple[str, ...] = ()


def people_of(resources: Iterable[Mapping[str, Any]]) -> Iterator[Person]:
    """The people of Patient, RelatedPerson, Practitioner and Person resources, and a patient's contacts."""
    for number, resource in enumerate(resources):
        if resource.get("resourceType") not in _FAMILIES:
            continue
        for place, part in enumerate((resource, *_list(resource.get("contact")))):
            if isinstance(part, Mapping):
                yield _person(f"{number}.{place}", part)


def _person(subject: str, part: Mapping[str, Any]) -> Person:
    names = [name for written in _list(part.get("name")) for name in _written_names(written)]
    numbers = [
        value["value"]
        for value in (*_list(part.get("telecom")), *_list(part.get("identifier")))
        if isinstance(value, Mapping) and isinstance(value.get("value"), str)
    ]
    addresses = [line for written in _list(part.get("address")) for line in _written_addresses(written)]
    return Person(subject, tuple(names), tuple(numbers), tuple(addresses))


def _written_names(name: object) -> Iterator[str]:
    if not isinstance(name, Mapping):
        return
    family, given = name.get("family"), [one for one in _list(name.get("given")) if isinstance(one, str)]
    if isinstance(name.get("text"), str):
        yield name["text"]
    if isinstance(family, str) and given:
        yield (f"{family}{''.join(given)}" if HAN.search(family) else " ".join([family, *given]))


def _written_addresses(address: object) -> Iterator[str]:
    if not isinstance(address, Mapping):
        return
    lines = [one for one in _list(address.get("line")) if isinstance(one, str)]
    levels = [address.get(level) for level in ("state", "city", "district")]
    yield from (
        text for text in (address.get("text"), *lines, address.get("postalCode")) if isinstance(text, str)
    )
    if lines:
        yield "".join([*(one for one in levels if isinstance(one, str)), *lines])


def read_person(number: int, one: object) -> Person:
    """One entry of a roster's `people`; what is written otherwise: text.roster_unfit."""
    if not isinstance(one, Mapping) or not one.keys() <= {"names", "numbers", "addresses", "role"}:
        raise ROSTER_UNFIT.error(number=number)
    lists = [one.get(name, []) for name in ("names", "numbers", "addresses")]
    if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists):
        raise ROSTER_UNFIT.error(number=number)
    names, numbers, addresses = (tuple(texts) for texts in lists)
    return Person(str(number), names, numbers, addresses)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
