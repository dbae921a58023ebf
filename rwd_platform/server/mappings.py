"""The table mappings a hospital can name: what stands in ingestion/mappings, by file name."""

from __future__ import annotations

from pathlib import Path

import ingestion


def known() -> tuple[str, ...]:
    """Names without ending, sorted."""
    folder = Path(ingestion.__file__ or "").parent / "mappings"
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))
