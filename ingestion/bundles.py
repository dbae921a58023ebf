"""A Bundle is taken apart: one unit for each entry, with the bytes of its resource exactly as sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from ingestion.validate.messages import issue
from rwd_platform.core.units import Issue, Place, Resource, Unit

# Their entries stand for themselves; those of a transaction stand or fall together.
INDEPENDENT = ("batch", "collection", "document", "history", "message", "searchset")
TRANSACTION = "transaction"
RECEIVED = (*INDEPENDENT, TRANSACTION)

_METHODS = ("POST", "PUT")
_BLANKS = re.compile(r"[ \t\r\n]*")
_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_PLAIN = json.JSONDecoder()


def is_bundle(value: Any) -> bool:
    return isinstance(value, dict) and value.get("resourceType") == "Bundle"


def units_of_bundle(bundle: dict[str, Any], raw: bytes, place: Place, kept_bytes: int) -> Iterator[Unit]:
    """One unit for each entry, or a single rejected one when the Bundle as a whole cannot be read.

    bundle -- `raw` as `json_text.loads` understood it; its resources become those of the units
    place  -- of the Bundle; an entry's own line and number are put in its place
    """
    refused = _refuse_whole(bundle)
    if refused is not None:
        yield Unit(place, raw[:kept_bytes], None, (refused,))
        return
    group = f"{place.file}#{place.line}" if bundle["type"] == TRANSACTION else None
    entries: list[dict[str, Any]] = bundle["entry"]
    links = _Links(entries) if b'"urn:' in raw else None
    for number, (entry, span) in enumerate(zip(entries, spans_of_entries(raw), strict=True), start=1):
        at = replace(place, line=place.line + span.line, entry=number)
        issues = _issues_of_entry(entry, number, bundle["type"])
        if links is not None:
            issues += links.issues_of(entry, number)
        if issues:
            yield Unit(at, span.raw, None, issues, group)
            continue
        resource: Resource = entry["resource"]
        if links is not None:
            links.resolve(entry)
        yield Unit(at, span.raw, resource, (), group)


def _refuse_whole(bundle: dict[str, Any]) -> Issue | None:
    if bundle.get("type") not in RECEIVED:
        return issue("bundle.type", "Bundle.type", types=", ".join(RECEIVED))
    entries = bundle.get("entry")
    if entries is None or entries == []:
        return issue("bundle.no_entries", "Bundle.entry")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return issue("bundle.entry", "Bundle.entry")
    return None


def _issues_of_entry(entry: dict[str, Any], number: int, bundle_type: str) -> tuple[Issue, ...]:
    path = f"Bundle.entry[{number - 1}]"
    request = entry.get("request")
    # What happened is told by a history; what shall happen is asked for by these two.
    method = request.get("method") if isinstance(request, dict) else "POST"
    if bundle_type in (TRANSACTION, "batch") and method not in _METHODS:
        return (issue("bundle.method", f"{path}.request.method"),)
    resource = entry.get("resource")
    if resource is None:
        return (issue("bundle.entry_without_resource", f"{path}.resource"),)
    if not isinstance(resource, dict):
        return (issue("resource.not_object", f"{path}.resource"),)
    if is_bundle(resource):
        return (issue("bundle.nested", f"{path}.resource"),)
    return ()


class _Links:
    """References inside a Bundle by `urn:uuid:` and `urn:oid:`, which name an entry by its fullUrl."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._targets: dict[str, str] = {}
        self._ambiguous: set[str] = set()
        for entry in entries:
            url, resource = entry.get("fullUrl"), entry.get("resource")
            if not isinstance(url, str) or not url.startswith("urn:") or not isinstance(resource, dict):
                continue
            own_id = resource.get("id") or _id_from(url)
            if not own_id:
                continue
            target = f"{resource.get('resourceType')}/{own_id}"
            if self._targets.setdefault(url, target) != target:
                self._ambiguous.add(url)

    def issues_of(self, entry: dict[str, Any], number: int) -> tuple[Issue, ...]:
        if entry.get("fullUrl") in self._ambiguous:
            return (issue("bundle.same_full_url", f"Bundle.entry[{number - 1}].fullUrl"),)
        return ()

    def resolve(self, entry: dict[str, Any]) -> None:
        """Rewrites the parsed resource; its raw bytes stay as sent.

        A resource that leaves its id to the receiver gets the one that its references use.
        """
        resource, url = entry["resource"], entry.get("fullUrl")
        if "id" not in resource and isinstance(url, str) and url in self._targets:
            resource["id"] = _id_from(url)
        self._rewrite(resource)

    def _rewrite(self, value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("reference")
            if isinstance(reference, str) and reference in self._targets:
                value["reference"] = self._targets[reference]
            for part in value.values():
                if isinstance(part, dict | list):
                    self._rewrite(part)
        elif isinstance(value, list):
            for part in value:
                self._rewrite(part)


def _id_from(url: str) -> str:
    last = url.rsplit(":", 1)[-1]
    return last if _FHIR_ID.match(last) else ""


# --- where the resources stand ---------------------------------------------------------------


class Span(NamedTuple):
    """The bytes of an entry's resource as sent (of the whole entry, if it has none).

    line -- how many line ends stand before it in the Bundle's text
    """

    raw: bytes
    line: int


def spans_of_entries(raw: bytes) -> Iterator[Span]:
    """The spans of `entry[*].resource`, in order.

    `raw` must be a Bundle that `json_text.loads` accepted and whose entries are objects: so this
    only measures, and no key stands twice. Every value is passed over once.
    """
    text = raw.decode("utf-8")
    line, counted = 0, 0
    at = _skip(text, _start_of_entries(text) + 1)
    while text[at] != "]":
        start, end, at = _span_of_entry(text, at)
        line += text.count("\n", counted, start)
        counted = start
        yield Span(text[start:end].encode("utf-8"), line)
        at = _behind_comma(text, at)


def _start_of_entries(text: str) -> int:
    at = _skip(text, _skip(text, 0) + 1)
    while True:
        key, at = _key(text, at)
        if key == "entry":
            return at
        at = _behind_comma(text, _PLAIN.raw_decode(text, at)[1])


def _span_of_entry(text: str, entry_start: int) -> tuple[int, int, int]:
    """Start and end of its resource, and the end of the entry."""
    span: tuple[int, int] | None = None
    at = _skip(text, entry_start + 1)
    while text[at] != "}":
        key, start = _key(text, at)
        _, end = _PLAIN.raw_decode(text, start)
        if key == "resource":
            span = (start, end)
        at = _behind_comma(text, end)
    return (*(span or (entry_start, at + 1)), at + 1)


def _key(text: str, at: int) -> tuple[str, int]:
    """A key, and where its value begins."""
    key, at = _PLAIN.raw_decode(text, at)
    return key, _skip(text, _skip(text, at) + 1)


def _behind_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at
