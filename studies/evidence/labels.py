"""What a hospital's file is called in a package: hospital and position, never the hospital's own name.

A hospital may write a patient's name or number into a file's name. The file is known by its hash; for
people it is `A-01.ndjson`: the first hospital's first file.
"""

from __future__ import annotations

from collections.abc import Sequence

from studies.evidence.inputs import Source

# The endings that say what a file is. Anything else a name ends in is the hospital's wording and is left out.
_KINDS = (
    ".ndjson.gz",
    ".jsonl.gz",
    ".json.gz",
    ".csv.gz",
    ".ndjson",
    ".jsonl",
    ".json",
    ".csv",
    ".zip",
    ".gz",
)


def file_labels(sources: Sequence[Source]) -> tuple[tuple[str, ...], ...]:
    """A label for each file of each source; a hospital with several sources counts on."""
    hospitals = list(dict.fromkeys(source.organisation_id for source in sources))
    counts = dict.fromkeys(hospitals, 0)
    labelled = []
    for source in sources:
        letters = _letters(hospitals.index(source.organisation_id))
        mine = []
        for file in source.files:
            counts[source.organisation_id] += 1
            mine.append(f"{letters}-{counts[source.organisation_id]:02d}{_kind(file.name)}")
        labelled.append(tuple(mine))
    return tuple(labelled)


def _letters(place: int) -> str:
    """A ... Z, AA, AB ..."""
    before, last = divmod(place, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)


def _kind(name: str) -> str:
    return next((kind for kind in _KINDS if name.lower().endswith(kind)), "")
