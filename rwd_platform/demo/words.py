"""What the demo's people say for their dossiers, put on record as a researcher would."""

from __future__ import annotations

from pathlib import Path

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import put_statements
from rwd_platform.log.entry import Actor

_FOLDER = Path(__file__).parent / "statements"


def say_all(platform: Platform, researcher: Actor, study_id: str, name: str) -> None:
    """The statements of `statements/<name>.yaml`."""
    from studies.evidence.statements import read_statements

    said = read_statements((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    put_statements(platform, researcher, study_id, said)
