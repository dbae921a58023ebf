"""Reading and validating, against fhir.resources alone, on the demo's own resources: a ratio within one run."""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path

LINES = 4_000


def run() -> None:
    import gzip

    from ingestion.intake import read_units
    from ingestion.validate import check
    from rwd_platform.demo.exporter import export

    with tempfile.TemporaryDirectory() as folder:
        files = export(Path(folder))
        path = next(
            p for hospital in files.hospitals for p in hospital.files if p.name.startswith("Observation")
        )
        lines = gzip.decompress(path.read_bytes()).splitlines()[:LINES]
    content = b"\n".join(lines)

    def ours() -> int:
        units = read_units("Observation.ndjson", lambda: io.BytesIO(content))
        return sum(not (unit.issues or check(unit)) for unit in units)

    def theirs() -> int:
        from fhir.resources.R4B.observation import Observation

        valid = 0
        for line in lines:
            try:
                Observation.model_validate(json.loads(line))
                valid += 1
            except ValueError:
                continue
        return valid

    for work in (ours, theirs):  # the first pass loads the models
        work()
    seconds = {}
    for work in (ours, theirs, ours, theirs, ours, theirs):
        began = time.perf_counter()
        work()
        seconds.setdefault(work.__name__, []).append(time.perf_counter() - began)
    own, alone = min(seconds["ours"]), min(seconds["theirs"])
    print(
        f"validation: {LINES / own:,.0f} resources/s read and checked;"
        f" fhir.resources alone {LINES / alone:,.0f}/s; time ratio {own / alone:.2f}"
    )
