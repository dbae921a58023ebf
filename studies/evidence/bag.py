"""The package as a BagIt folder (RFC 8493) and as an archive whose bytes follow from its files alone.

    bagit.txt, bag-info.txt   what this is, and how many bytes of payload
    manifest-sha256.txt       every file under data/
    tagmanifest-sha256.txt    the three files above
    signature.json            Ed25519 over every field of itself, one of which is the tag manifest's hash

So each file is covered by exactly one link of a chain that ends in the signature, and the signature
file covers itself: its bytes must be its own canonical form.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rwd_platform.core.canonical import sha256_hex
from studies.evidence.templates import verify as standalone

TAG_FILES = ("bag-info.txt", "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "signature.json")


@dataclass(frozen=True)
class PackageSigner:
    """Who signs, and how: `sign` gives 64 bytes of Ed25519 over what it is handed."""

    name: str
    public_key: bytes
    sign: Callable[[bytes], bytes]


def signature_file(tag_manifest: bytes, signer: PackageSigner) -> bytes:
    """The signature with everything it vouches for, as canonical JSON and a newline."""
    statement = {
        "algorithm": "Ed25519",
        "format_version": "1",
        "public_key": signer.public_key.hex(),
        "signed_file": standalone.TAG_MANIFEST,
        "signed_sha256": sha256_hex(tag_manifest),
        "signer": signer.name,
    }
    signature = signer.sign(standalone.signed_message(statement))
    return standalone.canonical({**statement, "signature": signature.hex()}) + b"\n"


def bag(
    payload: Mapping[str, bytes], signer: PackageSigner, description: Mapping[str, str]
) -> dict[str, bytes]:
    """All files of the bag. `payload` paths start with `data/`; `description` goes into bag-info.txt."""
    payload_bytes = sum(len(content) for content in payload.values())
    facts = {**description, "Payload-Oxum": f"{payload_bytes}.{len(payload)}"}
    tags = {
        "bagit.txt": standalone.BAGIT_TXT,
        "bag-info.txt": "".join(f"{label}: {text}\n" for label, text in facts.items()).encode(),
        standalone.MANIFEST: _manifest(payload),
    }
    tag_manifest = _manifest(tags)
    return {
        **payload,
        **tags,
        standalone.TAG_MANIFEST: tag_manifest,
        standalone.SIGNATURE: signature_file(tag_manifest, signer),
    }


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return standalone.manifest_bytes({name: sha256_hex(content) for name, content in files.items()})


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """The bag as a folder. One that was there before is replaced whole."""
    if folder.exists():
        shutil.rmtree(folder)
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def write_archive(files: Mapping[str, bytes], archive: Path) -> None:
    """The bag as one zip: members under the folder's name, stored, sorted, with fixed times."""
    folder = archive.stem
    content = standalone.zip_bytes({f"{folder}/{name}": files[name] for name in files})
    part = archive.with_suffix(".part")
    part.write_bytes(content)
    part.replace(archive)
