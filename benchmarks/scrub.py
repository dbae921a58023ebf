"""De-identifying, against reading and fhir.resources' validation of the same lines: a ratio within one run.

    ./run bench scrub

The resources are those of the demo's first hospital, under each of the house's policies. Seconds are of this
process's CPU, the best of three passes in turn, so that what else runs on the machine weighs on neither side.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

PASSES = 3


def run() -> None:
    from deidentify.policy import load_policy, shipped_policies

    lines = _lines()
    policies = {name: load_policy(name) for name in shipped_policies()}
    resources = [_loads(line) for line in lines]
    works: dict[str, Callable[[], int]] = {"validation": partial(_validate, lines)}
    works |= {name: partial(_scrub, resources, policy) for name, policy in policies.items()}
    stayed = {name: work() for name, work in works.items()}  # the first pass loads the models and compiles
    seconds = dict.fromkeys(works, float("inf"))
    for _ in range(PASSES):
        for name, work in works.items():
            began = time.process_time()
            work()
            seconds[name] = min(seconds[name], time.process_time() - began)
    read = seconds.pop("validation")
    for name, spent in seconds.items():
        print(
            f"scrub: {name}: {len(resources):,} resources, {stayed[name]:,} may stay: {spent:.2f} s CPU,"
            f" {len(resources) / spent:,.0f} resources/s; json and fhir.resources {len(lines) / read:,.0f}/s;"
            f" time ratio {spent / read:.3f}"
        )


def _lines() -> list[bytes]:
    from rwd_platform.demo.exporter import export

    with tempfile.TemporaryDirectory() as folder:
        hospital = export(Path(folder)).hospitals[0]
        written = [
            line for path in hospital.files for line in gzip.decompress(path.read_bytes()).splitlines()
        ]
    # The demo's planted defects are rejected before anything is scrubbed.
    return [line for line in written if _is_valid(line)]


def _loads(line: bytes) -> Any:
    from rwd_platform.core.json_text import loads

    return loads(line)


def _is_valid(line: bytes) -> bool:
    try:
        return bool(_loads(line)) and bool(_validate([line]))
    except ValueError:
        return False


def _validate(lines: list[bytes]) -> int:
    from fhir.resources.R4B import get_fhir_model_class

    for line in lines:
        resource = json.loads(line)
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return len(lines)


def _scrub(resources: list[Any], policy: Any) -> int:
    """A key of its own in each pass: no pseudonym is remembered from the pass before."""
    from deidentify.pseudonym import Pseudonymiser
    from deidentify.scrub import Quarantine, scrub
    from deidentify.shifting import Shifts

    pseudonyms, shifts = Pseudonymiser(b"benchmark" * 4, "benchmark"), Shifts(b"benchmark" * 4, "benchmark")
    stayed = 0
    for resource in resources:
        try:
            stayed += scrub(resource, policy, pseudonyms, shifts).resource is not None
        except Quarantine:
            continue
    return stayed
