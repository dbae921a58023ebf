"""Assertions made by hand with `cryptography`, so that what the product's JWT library does is not its own judge."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int, length: int = 0) -> str:
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Key:
    """A private key and the public JWK that is registered for it."""

    private: Any
    jwk: dict[str, str]

    def sign(self, message: bytes, hashed: hashes.HashAlgorithm | None = None) -> bytes:
        hashed = hashed or hashes.SHA384()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(message, padding.PKCS1v15(), hashed)
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashed)))
        length = (self.private.curve.key_size + 7) // 8
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")


@lru_cache
def rsa_key(kid: str = "rsa-1", bits: int = 2048) -> Key:
    private = rsa.generate_private_key(65537, bits)
    public = private.public_key().public_numbers()
    return Key(private, {"kty": "RSA", "kid": kid, "n": number(public.n), "e": number(public.e)})


@lru_cache
def ec_key(kid: str = "ec-1", curve: str = "P-384") -> Key:
    curves: dict[str, ec.EllipticCurve] = {"P-384": ec.SECP384R1(), "P-256": ec.SECP256R1()}
    private = ec.generate_private_key(curves[curve])
    public, length = private.public_key().public_numbers(), (curves[curve].key_size + 7) // 8
    jwk = {
        "kty": "EC",
        "kid": kid,
        "crv": curve,
        "x": number(public.x, length),
        "y": number(public.y, length),
    }
    return Key(private, jwk)


def jwks(*keys: Key) -> str:
    return json.dumps({"keys": [key.jwk for key in keys]})


def unsigned(header: Any, claims: Any) -> str:
    """Objects as JSON; text as it stands, for what no writer of JSON would write."""
    parts = [one if isinstance(one, str) else json.dumps(one) for one in (header, claims)]
    return ".".join(b64(part.encode()) for part in parts)


def signed(key: Key, header: Any, claims: Any, hashed: hashes.HashAlgorithm | None = None) -> str:
    message = unsigned(header, claims)
    return f"{message}.{b64(key.sign(message.encode(), hashed))}"


def mac(secret: bytes, header: Any, claims: Any, digest: str = "sha256") -> str:
    message = unsigned(header, claims)
    return f"{message}.{b64(hmac.new(secret, message.encode(), getattr(hashlib, digest)).digest())}"
