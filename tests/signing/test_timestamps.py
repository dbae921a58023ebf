"""A time stamp counts only where everything in it is what was asked for; OpenSSL is asked beside us."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, tsp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from rwd_platform.signing.timestamps import (
    MOST_BYTES,
    SKEW,
    Stamp,
    StampRefused,
    checked_answer,
    checked_stamp,
    read_roots,
    timestamp_request,
)
from tests.signing.tsa import NOW, POLICY, Authority, issued, middle, root, rsa_key, unit, without_token

CONTENT = b"what was frozen"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NONCE = 2**63 + 5
ROOTS = read_roots(root().pem)


def stamped(authority: Authority, *, nonce: int = NONCE, policy: str = "") -> bytes:
    return authority.answer(timestamp_request(SHA256, nonce, policy))


def refused(answer: bytes, **asked: Any) -> str:
    with pytest.raises(StampRefused) as why:
        checked_answer(answer, **{"sha256": SHA256, "nonce": NONCE, "roots": ROOTS, "now": NOW, **asked})
    return str(why.value)


def test_a_request_asks_for_the_hash_with_a_nonce_and_for_the_certificate() -> None:
    asked = tsp.TimeStampReq.load(timestamp_request(SHA256, NONCE, POLICY), strict=True).native
    assert asked["message_imprint"]["hashed_message"] == hashlib.sha256(CONTENT).digest()
    assert asked["message_imprint"]["hash_algorithm"]["algorithm"] == "sha256"
    assert (asked["nonce"], asked["cert_req"], asked["req_policy"]) == (NONCE, True, POLICY)
    assert tsp.TimeStampReq.load(timestamp_request(SHA256, NONCE)).native["req_policy"] is None


def test_a_right_answer_says_when_by_whom_and_under_which_policy() -> None:
    answer = stamped(Authority())
    expected = Stamp(NOW, "时间戳测试机构", POLICY, "4711")
    assert checked_answer(answer, sha256=SHA256, nonce=NONCE, roots=ROOTS, now=NOW) == expected
    assert checked_stamp(answer, sha256=SHA256, roots=ROOTS) == expected


def test_an_authority_under_its_root_alone_and_one_with_a_curve_and_sha512_count_too() -> None:
    plain = Authority(unit=issued("Direct", rsa_key("unit"), root()), others=())
    curve = Authority(
        unit=issued("Curve", ec.generate_private_key(ec.SECP384R1()), middle()), digest="sha512"
    )
    for authority in (plain, curve):
        assert checked_stamp(stamped(authority), sha256=SHA256, roots=ROOTS).at == NOW


def test_an_answer_granted_with_modifications_counts_where_nothing_asked_for_is_other_than_asked() -> None:
    """RFC 3161 2.4.2 leaves it to whoever asked; each thing that was asked for is looked at anyway."""
    modified = Authority(status="granted_with_mods")
    assert checked_answer(stamped(modified), sha256=SHA256, nonce=NONCE, roots=ROOTS, now=NOW).at == NOW
    other = modified.but(info={"policy": "1.2.3"})
    assert refused(stamped(other, policy=POLICY), policy=POLICY) == "wrong_policy"


@pytest.mark.parametrize("status", ["rejection", "waiting", "revocation_warning", "revocation_notification"])
def test_what_is_not_granted_is_no_stamp(status: str) -> None:
    assert refused(stamped(Authority(status=status))) == "not_granted"


def test_granted_without_a_token_is_no_stamp() -> None:
    assert refused(without_token({"status": "granted"})) == "malformed"


def other_hash(**changes: Any) -> dict[str, Any]:
    return {
        "message_imprint": {
            "hash_algorithm": {"algorithm": "sha256"}, "hashed_message": hashlib.sha256(b"another").digest(), **changes,
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ({"nonce": NONCE + 1}, "wrong_nonce"),
        ({"nonce": None}, "wrong_nonce"),
        (other_hash(), "wrong_imprint"),
        (other_hash(hash_algorithm={"algorithm": "sha512"}, hashed_message=hashlib.sha512(CONTENT).digest()),
         "wrong_imprint"),
        ({"gen_time": NOW + SKEW + timedelta(seconds=1)}, "wrong_time"),
        ({"gen_time": NOW - SKEW - timedelta(seconds=1)}, "wrong_time"),
        ({"extensions": [{"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"}]}, "malformed"),
        ({"tsa": {"directory_name": {"": []}}}, "wrong_authority"),
    ],
)  # fmt: skip
def test_a_stamp_of_something_else_is_refused(info: dict[str, Any], why: str) -> None:
    """The authority signs it rightly: what it says is not what was asked."""
    if "tsa" in info:
        from asn1crypto import x509

        info = {"tsa": x509.GeneralName("directory_name", x509.Name.build({"common_name": "Somebody else"}))}
    assert refused(stamped(Authority(info=info))) == why


def test_the_policy_asked_for_is_the_one_that_has_to_come() -> None:
    answer = stamped(Authority(), policy="1.2.3.4")
    assert (
        checked_answer(answer, sha256=SHA256, nonce=NONCE, roots=ROOTS, now=NOW, policy="1.2.3.4").policy
        == "1.2.3.4"
    )
    assert refused(answer, policy=POLICY) == "wrong_policy"


def test_a_stamp_that_was_kept_needs_no_nonce_and_no_clock() -> None:
    """Years later: the certificate had to be valid when the stamp was made."""
    answer = stamped(Authority())
    assert checked_stamp(answer, sha256=SHA256, roots=ROOTS).at == NOW
    assert refused(answer, now=NOW + timedelta(days=1)) == "wrong_time"


def by(**changes: Any) -> Authority:
    return Authority(unit=issued(**{"common": "Spoilt", "key": rsa_key("unit"), "by": middle(), **changes}))


OTHER_ROOT = issued("Other Root", rsa_key("other root"), ca=True)
SPOILT: list[tuple[Callable[[], Authority], str]] = [
    (lambda: by(last=NOW - timedelta(days=1)), "expired"),
    (lambda: by(first=NOW + timedelta(seconds=1)), "expired"),
    (lambda: by(usage=None), "wrong_usage"),
    (lambda: by(usage=(ExtendedKeyUsageOID.SERVER_AUTH,)), "wrong_usage"),
    (lambda: by(usage=(ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)), "wrong_usage"),
    (lambda: by(critical=False), "wrong_usage"),
    (lambda: by(by=OTHER_ROOT), "untrusted"),
    (lambda: by(by=None), "untrusted"),
    (lambda: by(by=unit()), "untrusted"),  # issued by one that is no authority for certificates
    (lambda: by(key=rsa_key("small", 1024)), "weak"),
    (lambda: Authority(others=()), "untrusted"),  # the one between is not there
    (lambda: Authority(digest="sha1"), "weak"),
    (lambda: Authority(names_certificate=False), "no_certificate"),
    (lambda: Authority(others=(middle(),) * 20), "no_certificate"),
]


@pytest.mark.parametrize(("spoilt", "why"), SPOILT, ids=[f"{n}-{why}" for n, (_, why) in enumerate(SPOILT)])
def test_an_authority_that_is_not_one_of_the_roots_or_not_for_time_stamps_is_refused(
    spoilt: Callable[[], Authority], why: str
) -> None:
    assert refused(stamped(spoilt())) == why


def test_an_expired_certificate_between_authority_and_root_breaks_the_path() -> None:
    old = issued("Old Middle", rsa_key("middle"), root(), ca=True, last=NOW - timedelta(days=1))
    assert (
        refused(stamped(Authority(unit=issued("Under it", rsa_key("unit"), old), others=(old,))))
        == "untrusted"
    )


def signature_changed(signed: cms.SignedData) -> None:
    signer = signed["signer_infos"][0]
    content = bytearray(signer["signature"].native)
    content[-1] ^= 1
    signer["signature"] = bytes(content)


def no_signer(signed: cms.SignedData) -> None:
    signed["signer_infos"] = []


def no_certificates(signed: cms.SignedData) -> None:
    signed["certificates"] = []


def two_signers(signed: cms.SignedData) -> None:
    signed["signer_infos"] = [signed["signer_infos"][0], signed["signer_infos"][0]]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (signature_changed, "wrong_signature"),
        (no_signer, "malformed"),
        (two_signers, "malformed"),
        (no_certificates, "no_certificate"),
    ],
)
def test_a_signature_that_does_not_hold_is_refused(spoil: Callable[[cms.SignedData], None], why: str) -> None:
    assert refused(stamped(Authority(spoil=spoil))) == why


def test_the_certificate_that_the_signature_names_is_the_one_that_counts() -> None:
    """Another certificate of the same key, with issuer and number of the right one, is not what was signed."""
    twin = issued("时间戳测试机构", rsa_key("unit"), middle(), last=NOW + timedelta(days=1))
    answer = tsp.TimeStampResp.load(stamped(Authority()))
    signed = answer["time_stamp_token"]["content"]
    from asn1crypto import x509

    signed["certificates"] = [x509.Certificate.load(one.der) for one in (twin, middle())]
    assert refused(bytes(answer.dump(force=True))) == "wrong_signature"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00",
        b"<html>busy</html>",
        b"0\x80",
        b"0\x84\xff\xff\xff\xff",
        b"\x30" * 5000,
        b"0" * (MOST_BYTES + 1),
    ],
)
def test_bytes_that_are_no_answer_are_refused(answer: bytes) -> None:
    assert refused(answer) == "malformed"


def test_something_after_the_answer_is_not_passed_over() -> None:
    assert refused(stamped(Authority()) + b"\x00") == "malformed"


def test_an_answer_with_a_byte_changed_anywhere_says_the_same_or_is_refused() -> None:
    """Bytes that no signature covers (a certificate more, how lengths are written) change nothing that is told."""
    answer, rng = stamped(Authority()), random.Random(7)
    right = checked_stamp(answer, sha256=SHA256, roots=ROOTS)
    kept = 0
    for _ in range(120):
        spoilt = bytearray(answer)
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
        try:
            assert checked_stamp(bytes(spoilt), sha256=SHA256, roots=ROOTS) == right
            kept += 1
        except StampRefused:
            continue
    assert kept < 30


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_roots_that_cannot_be_read_are_said(pem: bytes) -> None:
    with pytest.raises(StampRefused, match="no_roots"):
        read_roots(pem)


def test_a_file_may_hold_several_roots() -> None:
    roots = read_roots(OTHER_ROOT.pem + root().pem)
    assert len(roots) == 2
    assert checked_stamp(stamped(Authority()), sha256=SHA256, roots=roots).at == NOW


def test_the_time_is_told_in_utc() -> None:
    east = NOW.astimezone(datetime.now(UTC).astimezone().tzinfo)
    found = checked_stamp(stamped(Authority(at=east)), sha256=SHA256, roots=ROOTS)
    assert found.at == NOW and found.at.utcoffset() == timedelta(0)


openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="OpenSSL is not installed on this machine"
)


def openssl_says(folder: Path, answer: bytes, content: bytes, pem: bytes) -> bool:
    for name, written in (("stamp.tsr", answer), ("content", content), ("roots.pem", pem)):
        (folder / name).write_bytes(written)
    command = ["openssl", "ts", "-verify", "-in", "stamp.tsr", "-data", "content", "-CAfile", "roots.pem"]
    at = ["-attime", str(int(NOW.timestamp()))]
    done = subprocess.run([*command, *at], cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


@openssl
def test_openssl_takes_what_we_take_and_refuses_what_we_refuse(tmp_path: Path) -> None:
    right = stamped(Authority())
    assert openssl_says(tmp_path, right, CONTENT, root().pem)
    assert not openssl_says(tmp_path, right, b"another", root().pem)
    assert not openssl_says(tmp_path, right, CONTENT, OTHER_ROOT.pem)
    for authority in (by(usage=(ExtendedKeyUsageOID.SERVER_AUTH,)), Authority(spoil=signature_changed)):
        assert not openssl_says(tmp_path, stamped(authority), CONTENT, root().pem)


@openssl
def test_a_stamp_that_openssl_made_is_read(tmp_path: Path) -> None:
    """An answer that neither our request nor our authority's code has written."""
    (tmp_path / "unit.pem").write_bytes(unit().pem)
    from cryptography.hazmat.primitives import serialization as form

    key = unit().key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (tmp_path / "unit.key").write_bytes(key)
    (tmp_path / "chain.pem").write_bytes(middle().pem)
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa=own\n[own]\nserial=serial\nsigner_cert=unit.pem\nsigner_key=unit.key\ncerts=chain.pem\n"
        f"signer_digest=sha256\ndefault_policy={POLICY}\ndigests=sha256\naccuracy=secs:1\ness_cert_id_alg=sha256\n"
    )
    now = datetime.now(UTC)
    (tmp_path / "asked.tsq").write_bytes(timestamp_request(SHA256, NONCE))
    command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "asked.tsq", "-out", "made.tsr"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    answer = (tmp_path / "made.tsr").read_bytes()
    found = checked_answer(answer, sha256=SHA256, nonce=NONCE, roots=ROOTS, now=now)
    assert found.policy == POLICY and abs(found.at - now) < SKEW
    assert refused(answer, nonce=NONCE + 1, now=now) == "wrong_nonce"
