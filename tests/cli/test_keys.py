"""`rwd keys`: versions are shown, keys never; a rotation says what it did, and a dry run only what it would do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rwd_platform.core.errors import Exit
from rwd_platform.signing.keys import demo_key_ring
from tests.cli.calling import Rwd, is_chinese

HOSPITAL = "org-hospital-a"


def versions(rwd: Rwd) -> dict[str, int]:
    answer = rwd("keys", "status", "--json")
    assert answer.code == Exit.YES
    return {one["scope"]: one["version"] for one in answer.document["versions"]}


def test_status_rotate_and_status(home: Path, rwd: Rwd) -> None:
    """Version 1 for every hospital; a dry run leaves it; a rotation raises it for one hospital alone."""
    before = versions(rwd)
    assert before[HOSPITAL] == 1 and set(before.values()) == {1}
    would = rwd("keys", "rotate", "--hospital", HOSPITAL, "--dry-run", "--json")
    assert (would.code, would.document["dry_run"], would.document["new_version"]) == (Exit.YES, True, 2)
    assert versions(rwd) == before
    done = rwd("keys", "rotate", "--hospital", HOSPITAL, "--json")
    assert (done.code, done.document["old_version"], done.document["new_version"]) == (Exit.YES, 1, 2)
    assert is_chinese(done.stderr) and "v2" in done.stderr
    assert versions(rwd) == {**before, HOSPITAL: 2}
    key = demo_key_ring().derive("pseudonym", HOSPITAL, version=2)
    assert key.hex().encode() not in done.stdout and key.hex() not in json.dumps(done.document)


def test_backfill_of_a_store_without_uploads_of_before_has_nothing_to_do(home: Path, rwd: Rwd) -> None:
    """And says so in numbers."""
    done = rwd("keys", "backfill", "--json")
    assert (done.code, done.document["entries"], done.document["left"]) == (Exit.YES, 0, {})
    assert is_chinese(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("--hospital", "org-nowhere"), Exit.MALFORMED, "records.not_found"),
        (("--hospital", ""), Exit.MALFORMED, "records.not_found"),
        ((), Exit.MALFORMED, "cli.usage"),
    ],
)
def test_a_hospital_that_is_not_there_is_refused(home: Path, rwd: Rwd, arguments, code, problem) -> None:
    """In both languages, with the code of the contract."""
    refused = rwd("keys", "rotate", *arguments, "--json")
    assert refused.code == code
    assert refused.document["error"]["code"] == problem
    assert is_chinese(refused.stderr) or problem == "cli.usage"


def test_without_a_key_file_nothing_is_done(
    rwd: Rwd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the setting."""
    monkeypatch.setenv("RWD_HOME", str(tmp_path / "new"))
    refused = rwd("keys", "status", "--json")
    assert refused.code == Exit.BROKEN_ENVIRONMENT
    assert refused.document["error"]["code"] == "keys.root_missing"
