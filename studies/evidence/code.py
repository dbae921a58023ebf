"""The code that makes results, as text: it travels in the package, so that a reviewer runs what we ran."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rwd_platform.core.canonical import sha256_file, sha256_of

_ROOT = Path(__file__).parent.parent.parent
_PARTS = ("studies", "rwd_platform/core")
_SUFFIXES = frozenset({".py", ".yaml", ".csv", ".toml", ".json"})
_REPORTING = ("studies/evidence/",)


def result_code() -> dict[str, str]:
    """path -> source of the room of studies (without the making of packages) and of what it stands on."""
    sources = {
        "rwd_platform/__init__.py": (_ROOT / "rwd_platform" / "__init__.py").read_text(encoding="utf-8")
    }
    for part in _PARTS:
        for path in sorted((_ROOT / part).rglob("*")):
            name = path.relative_to(_ROOT).as_posix()
            if path.suffix in _SUFFIXES and not name.startswith(_REPORTING):
                sources[name] = path.read_text(encoding="utf-8")
    return dict(sorted(sources.items()))


@cache
def program_sha256() -> str:
    """Over everything that the room of studies is made of, templates and policies too."""
    room = Path(__file__).resolve().parents[1]
    paths = sorted(path for path in room.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sha256_of({str(path.relative_to(room)): sha256_file(path) for path in paths})
