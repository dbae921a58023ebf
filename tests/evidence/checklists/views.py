"""Packages as a checklist sees them: a real one, and the same with something gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studies.evidence.checklists.package_view import PackageView
from tests.evidence.fixtures import small_inputs


def view_of(folder: Path, **more: Any) -> PackageView:
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    inputs = small_inputs()
    return PackageView(files, inputs.protocol, inputs.results, more.pop("audience", "authority"), **more)


def with_files(view: PackageView, files: Mapping[str, bytes | None]) -> PackageView:
    """Files put in, or taken out (None)."""
    held = {path: content for path, content in {**view.files, **files}.items() if content is not None}
    return PackageView(held, view.protocol, view.results, view.audience, view.profile)


def with_json(view: PackageView, path: str, change: Callable[[Any], None]) -> PackageView:
    document = json.loads(view.files[path])
    change(document)
    return with_files(view, {path: json.dumps(document, ensure_ascii=False).encode()})
