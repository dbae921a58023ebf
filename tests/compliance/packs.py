"""Rule packs spoilt on purpose: one place of a shipped file is changed, and the file is read from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from rwd_platform.compliance.pins import FOLDER


def spoilt(name: str, folder: Path, pattern: str, new: str) -> Path:
    """The shipped pack `name` with every match of the pattern replaced; one that matches nothing proves nothing."""
    text, changed = re.subn(pattern, new, (FOLDER / f"{name}.toml").read_text("utf-8"))
    assert changed, f"nothing in {name} matches {pattern}"
    path = folder / "spoilt.toml"
    path.write_text(text, "utf-8")
    return path
