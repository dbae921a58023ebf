"""The code that makes results, as text: it travels in the package, so that a reviewer runs what we ran."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rwd_platform.core.canonical import sha256_file, sha256_of

_ROOT = Path(__file__).parent.parent.parent
_PARTS = ("studies", "rwd_platform/core")
_SUFFIXES = frozenset({".py", ".yaml", ".csv", ".toml", ".json"})
_REPORTING = ("studies/evidence/",)
_ROOMS = ("studies", "quality", "deidentify", "ingestion", "rwd_platform")
_LOCK = "requirements/run.lock"  # the libraries
# Nothing of a package is made by pages, commands or the demo.
_APART = tuple(f"rwd_platform/{name}/" for name in ("server", "cli", "demo"))


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
    """Over every program, template and policy that data pass on their way into a package, and the libraries' lock."""
    found = {_LOCK: sha256_file(_ROOT / _LOCK)}
    for room in _ROOMS:
        for path in (_ROOT / room).rglob("*"):
            name = path.relative_to(_ROOT).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and not name.startswith(_APART):
                found[name] = sha256_file(path)
    return sha256_of(found)
