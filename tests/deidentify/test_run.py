"""A stream through a policy: the account adds up, and nothing faulty is written."""

from __future__ import annotations

import json
from decimal import Decimal

from deidentify.account import DropCounter
from deidentify.policy import load_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.run import deidentify_lines
from rwd_platform.core.units import Issue, Place, Resource, Unit

LAKE = load_policy("lake")
PSEUDONYMS = Pseudonymiser(b"l" * 32, "org-1")
FAULT = Issue("structure", "Patient", "坏", "bad", "改", "mend")


def unit(line: int, resource: Resource | None, *issues: Issue) -> Unit:
    return Unit(Place("in.ndjson", line), b"", resource, issues)


UNITS = [
    unit(1, {"resourceType": "Patient", "id": "1", "name": [{"text": "王璟琰"}]}),
    unit(2, None, FAULT),
    unit(3, {"resourceType": "Patient", "id": "2"}, FAULT),
    unit(4, {"resourceType": "Organization", "id": "3"}),
    unit(5, {"resourceType": "Unknown", "id": "4"}),
    unit(6, {"resourceType": "Observation", "id": "5", "valueQuantity": {"value": Decimal("0.40")}}),
]


def test_every_unit_is_written_rejected_quarantined_or_dropped_whole():
    """Read = written + rejected + quarantined + resources of types that the policy drops."""
    lines: list[str] = []
    account = deidentify_lines(UNITS, LAKE, PSEUDONYMS, lines.append)
    assert account.as_dict() == {
        "read": 6,
        "written": 2,
        "rejected": 2,
        "quarantined": 1,
        "dropped": {"Organization": 1, "Patient.name": 1},
    }
    assert [json.loads(line)["resourceType"] for line in lines] == ["Patient", "Observation"]
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert '"value":0.40' in lines[1]


def test_who_listens_hears_why_something_was_left_out():
    """Rejects and quarantines are told with their place, in the order read."""
    heard: list[tuple[int, str]] = []
    deidentify_lines(
        UNITS,
        LAKE,
        PSEUDONYMS,
        lambda _line: None,
        lambda place, issue: heard.append((place.line, issue.rule)),
    )
    assert heard == [(2, "fhir"), (3, "fhir"), (5, "deidentify.no-policy")]


def test_the_same_input_gives_the_same_bytes():
    """Under one key a file can be made again and compared."""
    runs = []
    for _ in range(2):
        lines: list[str] = []
        deidentify_lines(UNITS, LAKE, Pseudonymiser(b"l" * 32, "org-1"), lines.append)
        runs.append("".join(lines))
    assert runs[0] == runs[1]


def test_an_empty_stream_gives_an_empty_account():
    """Nothing read, nothing written, nothing dropped."""
    account = deidentify_lines([], LAKE, PSEUDONYMS, lambda _line: None)
    assert account.as_dict() == {"read": 0, "written": 0, "rejected": 0, "quarantined": 0, "dropped": {}}


def test_the_counter_is_sorted_by_path_and_leaves_zeros_out():
    """An account reads the same whatever came first."""
    counter = DropCounter()
    counter.count(["b", "a", "b"])
    counter.add("c", 0)
    counter.add("a", 5)
    assert list(counter.as_dict().items()) == [("a", 6), ("b", 2)]
