"""Pseudonyms: stable under one key, useless without it, and not joinable across scopes."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.pseudonym import Pseudonymiser
from rwd_platform.core.errors import PlatformError

KEY = bytes(range(32))
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def _hmac_by_hand(key: bytes, message: bytes) -> bytes:
    """RFC 2104, written out, so that the token is checked against the standard and not against itself."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def test_a_token_is_an_hmac_over_scope_kind_and_value():
    """`p1`, suite, key version, then 128 bits of HMAC-SHA256 in base32; each text has its length
    before it.
    """
    parts = [part.encode() for part in ("org-1", "Patient", "17")]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    expected = base64.b32encode(_hmac_by_hand(KEY, message)[:16]).decode().rstrip("=").lower()
    assert Pseudonymiser(KEY, "org-1", version=3).token("Patient", "17") == f"p1.intl.3.{expected}"


@settings(deadline=None)
@given(kind=st.text(max_size=20), value=st.text(max_size=200))
def test_every_token_is_a_valid_fhir_id(kind: str, value: str):
    """Whatever a hospital uses as an id, its pseudonym can stand in `id` and in a reference."""
    token = Pseudonymiser(KEY, "org-1").token(kind, value)
    assert FHIR_ID.fullmatch(token)
    assert token == token.lower()


def test_tokens_differ_by_key_scope_kind_and_value():
    """Two hospitals, two projects, two kinds of resource or two versions never share a token."""
    tokens = [
        Pseudonymiser(KEY, "a").token("Patient", "1"),
        Pseudonymiser(KEY[::-1], "a").token("Patient", "1"),
        Pseudonymiser(KEY, "b").token("Patient", "1"),
        Pseudonymiser(KEY, "a").token("Encounter", "1"),
        Pseudonymiser(KEY, "a").token("Patient", "2"),
        Pseudonymiser(KEY, "a", version=2).token("Patient", "1"),
        Pseudonymiser(KEY, "aPatient").token("", "1"),  # the same letters, cut elsewhere
    ]
    assert len(set(tokens)) == len(tokens)


def test_full_width_and_half_width_forms_give_one_token():
    """A record room types digits in full width one day and half width the next; it is the same patient."""
    pseudonyms = Pseudonymiser(KEY, "org-1")
    assert pseudonyms.token("Patient", "ZY１２３ ") == pseudonyms.token("Patient", "ZY123")


def test_no_two_of_many_values_meet():
    """Twenty thousand ids give twenty thousand tokens."""
    pseudonyms = Pseudonymiser(KEY, "org-1")
    assert len({pseudonyms.token("Patient", str(number)) for number in range(20_000)}) == 20_000


@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_short_key_is_refused(length: int):
    """The identifiers behind pseudonyms are guessable, so the key must not be."""
    with pytest.raises(PlatformError) as refusal:
        Pseudonymiser(b"k" * length, "org-1")
    assert refusal.value.code == "pseudonym.key_unfit"


def test_the_key_shows_in_no_text():
    """A pseudonymiser printed into a log or an error names its scope, not its key."""
    key = b"not-to-be-seen-not-to-be-seen-32"
    assert repr(Pseudonymiser(key, "org-1")) == "Pseudonymiser(scope='org-1', version=1)"
