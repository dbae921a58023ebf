"""A package as a checklist sees it: its files as bytes, and what they were made from. Nothing is changed through it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from rwd_platform.core.errors import Exit, PlatformError, Problem
from studies.evidence.report.phrases import TEMPLATES
from studies.evidence.templates.verify import REPORT_JSON, pointed
from studies.protocol import Protocol
from studies.results import ResultSet

_HEADINGS = ("texts.yaml", "designs.yaml", "doubt.yaml", "safety.yaml", "incidence.yaml")
NOT_ARRIVED = (KeyError, IndexError, ValueError, TypeError)  # what following a pointer may raise

NO_DOCUMENT = Problem(
    code="checklist.no_document",
    zh="证据包中没有可以读取的 JSON 文件 {path}。",
    en="The package holds no JSON file {path} that can be read.",
    next_zh="请重新组装证据包。",
    next_en="Assemble the package again.",
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class PackageView:
    """
    files    -- path -> bytes
    profile  -- the purpose profile's id, "" where none was chosen
    withheld -- results of a few were left out of this edition
    """

    files: Mapping[str, bytes]
    protocol: Protocol
    results: ResultSet
    audience: str
    profile: str = ""
    withheld: bool = False
    _documents: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def document(self, path: str) -> Any:
        """Parsed JSON. Raises `checklist.no_document` for a file that is not there or is none."""
        if path not in self._documents:
            try:
                self._documents[path] = json.loads(self.files[path])
            except (KeyError, ValueError, RecursionError) as error:
                raise NO_DOCUMENT.error(path=path) from error
        return self._documents[path]

    def exists(self, path: str, pointer: str = "") -> bool:
        """Whether the file is there and, with a pointer, whether it leads to a value, empty or not."""
        if path not in self.files:
            return False
        if not pointer:
            return True
        try:
            pointed(self.document(path), pointer)
        except (PlatformError, *NOT_ARRIVED):
            return False
        return True

    def blocks(self) -> list[Mapping[str, Any]]:
        """The report's blocks in order, the summary's first. Raises `checklist.no_document` without a report."""
        report = self.document(REPORT_JSON)
        parts = [report.get(part) for part in ("summary", "body")] if isinstance(report, dict) else []
        return [
            block for part in parts if isinstance(part, list) for block in part if isinstance(block, dict)
        ]


@cache
def heading_texts() -> Mapping[str, str]:
    """Key of a text -> its English words, by which a heading is found in the report."""
    found: dict[str, str] = {}
    for name in _HEADINGS:
        texts = yaml.safe_load((TEMPLATES / name).read_text(encoding="utf-8")).get("texts", {})
        found.update({key: str(pair["en"]).strip() for key, pair in texts.items()})
    return found
