"""What may stand in the tree: locks with hashes and without addresses, no paths of a machine, no big files."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: the tracked files cannot be listed")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_a_hash_for_every_package_and_no_address(lock: Path) -> None:
    """A closed network points the same lock at its own mirror."""
    text = lock.read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9][\w.\-\[\]]*==[^\s;\\]+.*\\$", text, flags=re.MULTILINE | re.IGNORECASE)
    assert packages, lock.name
    for package in packages:
        block = text.split(package, 1)[1].split("\n    #", 1)[0]
        assert "--hash=sha256:" in block, package
    assert not re.search(r"https?://|--index-url|--find-links", text)


def test_the_npm_lock_has_integrity_and_no_address() -> None:
    lock = json.loads((ROOT / "frontend/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: facts for name, facts in lock["packages"].items() if name}
    assert packages
    for name, facts in packages.items():
        assert "resolved" not in facts, name
        assert facts["integrity"].startswith("sha512-"), name


def test_no_tracked_file_names_a_machine_or_is_large() -> None:
    machine = re.compile(r"(?<![\w.])/(?:work|root|home/[a-z]+)/")
    for path in tracked():
        if not path.is_file():
            continue
        assert path.stat().st_size < 1_000_000, path
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = machine.search(text)
        assert found is None or path == Path(__file__), f"{path}: {found}"


def test_the_package_data_of_every_kind_is_declared() -> None:
    """Policies, protocols, views and templates are read at run time: their endings are known to the build."""
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for ending in ("toml", "yaml", "json", "csv", "typ", "html"):
        assert f'"*.{ending}"' in declared
