"""One file out of a package's archive, for a page: within bounds, and nothing that is broken takes the page with it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rwd_platform.core.json_text import JsonRefused, loads
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import EvidencePackage

# What an archive, a member of it, or a JSON text that is not as it should be raises. An unknown method of compression
# and a password are RuntimeErrors.
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError, zlib.error,
          zipfile.BadZipFile, JsonRefused)  # fmt: skip


@contextmanager
def opened(platform: Platform, package: EvidencePackage) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """The archive and the folder in it that everything lies in, ending with a slash. Raises what `BROKEN` names."""
    with zipfile.ZipFile(platform.layout.packages / package.file_name) as archive:
        yield archive, f"{package.file_name.removesuffix('.zip')}/"


def read_object(archive: zipfile.ZipFile, name: str, most_bytes: int) -> dict[str, Any]:
    """A JSON object. Raises what `BROKEN` names, of a longer text too."""
    with archive.open(name) as member:
        content = member.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError("too long")
    found = loads(content)
    if not isinstance(found, dict):
        raise TypeError("no object")
    return found
