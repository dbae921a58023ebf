"""Verification: what holds, and that whatever was changed is named."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.signing.ed25519 import verify as ed25519_verify
from studies.evidence.ard_parquet import ARD_PARQUET
from studies.evidence.documents import json_bytes
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import read_public_key, verify_package
from tests.evidence.fixtures import package_signer, resigned

OTHER_KEY = bytes(range(32))


def flip(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("form", ["path", "folder"])
def test_a_package_as_built_holds(package, form):
    """Archive or unpacked folder, the answer is the same: files, proofs and numbers all hold."""
    found = verify_package(getattr(package, form), package_signer().public_key)
    assert found.failures == ()
    assert found.holds and found.package_id == package.package_id
    assert found.proofs == 4 and found.numbers > 300
    assert found.files == len(package.file_names) - 2  # all but the signature and the file it signs


def test_the_answer_says_which_key_was_used(package):
    """A key found inside proves that nothing changed, not who signed; a key given proves both."""
    inside = verify_package(package.path)
    assert inside.holds and inside.as_dict()["key"] == "inside"
    assert "integrity, not origin" in "\n".join(inside.lines())
    given = verify_package(package.path, package_signer().public_key)
    assert given.as_dict()["key"] == "given"
    wrong = verify_package(package.path, OTHER_KEY)
    assert [failure.place for failure in wrong.failures] == [standalone.SIGNATURE]


def test_one_bit_in_any_file_of_the_folder_is_found_and_the_file_named(package, folder):
    """No file is free: payload, manifests, bag-info, bagit.txt and the signature itself."""
    chance = random.Random(20260105)
    for name in package.file_names:
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(flip(content, chance.randrange(8 * len(content))))
        failures = verify_package(folder).failures
        assert name in {failure.place for failure in failures}, name
        path.write_bytes(content)
    assert verify_package(folder).holds


def test_every_bit_of_the_signature_file_counts(folder):
    """Its bytes must be its own canonical form, so not even a space or the case of a digit can change."""
    path = folder / standalone.SIGNATURE
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        findings = standalone.Findings()
        members = {
            standalone.SIGNATURE: flip(content, bit),
            standalone.TAG_MANIFEST: (folder / standalone.TAG_MANIFEST).read_bytes(),
        }
        standalone.check_signature(members, None, findings, ed25519_verify)
        assert {failure.place for failure in findings.failures} >= {standalone.SIGNATURE}, bit


def test_two_hundred_single_bits_of_the_archive_are_all_found(package, tmp_path):
    """Wherever the bit lies - member, directory, header - the file or the archive is named."""
    content = package.path.read_bytes()
    target = tmp_path / package.path.name
    names = {*package.file_names, target.name}
    chance = random.Random(8493)
    for _ in range(200):
        bit = chance.randrange(8 * len(content))
        target.write_bytes(flip(content, bit))
        found = verify_package(target)
        assert found.failures, bit
        assert found.failures[0].place in names, bit


def test_the_head_and_the_directory_of_the_archive_are_covered_bit_by_bit(package, tmp_path):
    """Fields that no unpacker looks at (times, attributes, comments) are part of the canonical archive too."""
    content = package.path.read_bytes()
    target = tmp_path / package.path.name
    ends = [*range(0, 8 * 60), *range(8 * (len(content) - 160), 8 * len(content))]
    for bit in ends[::29]:
        target.write_bytes(flip(content, bit))
        assert target.name in {failure.place for failure in verify_package(target).failures}, bit


@pytest.mark.parametrize("spoilt", [b"", b"PK", b"not a zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_package_fails_and_is_named(tmp_path, spoilt):
    """Empty, cut off or foreign bytes are a 'no' that names the archive, not a crash."""
    target = tmp_path / "EP-x.zip"
    target.write_bytes(spoilt)
    found = verify_package(target)
    assert not found.holds
    assert {failure.place for failure in found.failures} == {"EP-x.zip"}


def test_a_truncated_archive_and_one_with_a_tail_fail(package, tmp_path):
    """Bytes cut off or added after the end belong to no file: the archive is named."""
    content = package.path.read_bytes()
    target = tmp_path / package.path.name
    for spoilt in (content[:-1], content[: len(content) // 2], content + b"\x00", b"\x00" + content):
        target.write_bytes(spoilt)
        assert target.name in {failure.place for failure in verify_package(target).failures}


def test_a_member_that_points_outside_the_folder_is_refused(package, tmp_path):
    """`..` in a member's name, or a second folder, is not a package, even if everything else is right."""
    members = standalone.zip_members(package.path.read_bytes())
    target = tmp_path / package.path.name
    for name in ("../outside", "other/file", f"{package.path.stem}/a/../b"):
        target.write_bytes(standalone.zip_bytes({**members, name: b"x"}))
        assert target.name in {failure.place for failure in verify_package(target).failures}, name


def test_files_added_removed_or_linked_are_named(folder, tmp_path):
    """Every file is listed and every listed file is there; a link is never followed."""
    (folder / "data/extra.txt").write_text("hello")
    (folder / "data/04_quality/quality.json").unlink()
    (folder / "data/link").symlink_to(tmp_path)
    places = {failure.place for failure in verify_package(folder).failures}
    assert {"data/extra.txt", "data/04_quality/quality.json", "data/link"} <= places


def test_a_number_that_its_result_row_does_not_say_is_named(folder):
    """Even when signed again: the printed text must follow from the result row."""
    path = folder / standalone.NUMBERS_JSON
    listed = json.loads(path.read_text())
    number = listed["numbers"][3]
    number["zh"] = number["en"] = "9.99"
    path.write_bytes(json_bytes(listed))
    resigned(folder)
    places = {failure.place for failure in verify_package(folder, package_signer().public_key).failures}
    assert number["id"] in places


def test_a_result_row_changed_after_the_report_is_found_in_every_number_it_gave(folder):
    """The other direction: the row changed, the report did not."""
    path = folder / standalone.ARD_JSON
    results = json.loads(path.read_text())
    row = next(one for one in results["rows"] if one["id"] == "restricted.adjusted.hormon.hazard_ratio")
    row["value"] = 0.31
    path.write_bytes(json_bytes(results))
    resigned(folder)
    wrong = {failure.place for failure in verify_package(folder).failures}
    listed = json.loads((folder / standalone.NUMBERS_JSON).read_text())["numbers"]
    expected = {one["id"] for one in listed if one.get("ard_id") == row["id"] and one["field"] == "value"}
    assert len(expected) >= 4 and expected <= wrong


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (standalone.INDEX_HTML, "text"),
        ("data/05_results/tables/sensitivity_zh.csv", "table:sensitivity"),
        ("data/05_results/figures/forest_en.svg", "figure:forest"),
    ],
)
def test_a_number_printed_otherwise_than_listed_is_named(folder, name, kind):
    """Page, table and figure must print what `numbers.json` lists at that place."""
    listed = json.loads((folder / standalone.NUMBERS_JSON).read_text())["numbers"]
    number = next(one for one in listed if one["place"].startswith(kind) and one.get("field") == "value")
    path = folder / name
    text = path.read_text(encoding="utf-8")
    marked = f'data-n="{number["id"]}">' if kind == "text" else ""
    path.write_text(text.replace(marked + number["zh"], marked + "7.77", 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    resigned(folder)
    assert number["id"] in {failure.place for failure in verify_package(folder).failures}


def test_a_log_entry_that_was_changed_is_named_by_its_number(folder):
    """An entry's hash no longer leads to the checkpoint's root, however well the files were signed again."""
    path = folder / standalone.AUDIT_EXTRACT
    path.write_bytes(path.read_bytes().replace(b"study-2", b"study-9"))
    resigned(folder)
    failures = verify_package(folder).failures
    assert {failure.place for failure in failures} == {standalone.AUDIT_EXTRACT}
    assert "2" in failures[0].en


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (standalone.PROOFS_JSON, b"[]"),
        (standalone.PROOFS_JSON, b'{"proofs": [1]}'),
        (standalone.CHECKPOINT, b"\xff\xfe"),
        (standalone.AUDIT_EXTRACT, b"[]\n" * 4),
        (standalone.NUMBERS_JSON, b'{"numbers": [{}]}'),
        (standalone.NUMBERS_JSON, b'{"numbers": 7}'),
        (standalone.ARD_JSON, b'{"rows": [[]]}'),
        (standalone.PACKAGE_JSON, b"{}"),
        (standalone.PACKAGE_JSON, b"null"),
        (standalone.NUMBERS_JSON, b"null"),
        (standalone.NUMBERS_JSON, b'{"numbers": []}'),
        (standalone.NUMBERS_JSON, b"[" * 100_000),
        (standalone.INDEX_HTML, b""),
    ],
)
def test_signed_nonsense_fails_and_does_not_crash(folder, name, content):
    """A verifier reads what an adversary wrote: every wrong shape is a 'no'."""
    (folder / name).write_bytes(content)
    resigned(folder)
    assert not verify_package(folder).holds


def test_the_travelling_verifier_says_the_same_alone(package, folder):
    """`verify.py` from inside the package, in a bare interpreter: exit 0, then 1 with the file's name.

    It cannot read Parquet, and names that table among the files of which it checked the hash alone.
    """
    script = package.folder / "data/09_audit/verify.py"
    key = package_signer().public_key.hex()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", str(script), *arguments], capture_output=True, text=True, check=False
        )

    good = run(str(package.path), "--key", key, "--json")
    assert good.returncode == 0, good.stdout + good.stderr
    ours = verify_package(package.path, bytes.fromhex(key)).as_dict()
    del ours["rerun"]
    ours["hash_only"] = sorted([*ours["hash_only"], ARD_PARQUET])
    assert json.loads(good.stdout) == ours
    spoilt = folder / "data/04_quality/quality.json"
    spoilt.write_bytes(spoilt.read_bytes().replace(b"9", b"8", 1))
    bad = run(str(folder))
    assert bad.returncode == 1
    assert "data/04_quality/quality.json" in bad.stdout and "不证明来源" in bad.stdout
    assert run(str(folder / "absent")).returncode == 2
    assert run(str(folder), "--key", "zz").returncode == 2


def test_the_travelling_verifier_needs_only_an_old_python_and_its_standard_library():
    """It parses as Python 3.8 and imports nothing that must be installed."""
    source = Path(standalone.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= sys.stdlib_module_names


def test_a_rerun_names_the_results_that_differ(package):
    """`--rerun` hands the stored results to a recomputation and reports the rows it names."""
    reproduced = verify_package(package.path, rerun=lambda stored: [])
    assert reproduced.holds and reproduced.rerun == "reproduced"
    differing = verify_package(package.path, rerun=lambda stored: [stored["rows"][0]["id"]])
    assert differing.rerun == "differs"
    assert [failure.place for failure in differing.failures] == ["cohort.subjects.analysed"]


def test_wrong_use_is_an_error_in_two_languages(tmp_path):
    """No such package, no such key: malformed, not a 'no'."""
    with pytest.raises(PlatformError, match="package_missing"):
        verify_package(tmp_path / "absent.zip")
    with pytest.raises(PlatformError, match="key_refused"):
        read_public_key("not a key")
    assert read_public_key(OTHER_KEY.hex()) == OTHER_KEY
