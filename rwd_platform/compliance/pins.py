"""Shipped rule packs are pinned: rulepacks/pinned.toml names each file and the SHA-256 of its bytes.

An edited pack would decide under the name of the one that counsel read, so it does not decide at all. Whoever wants
other rules gives them a file of their own and names it; a decision then carries that file's hash.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import Exit, Problem

FOLDER = Path(__file__).parent / "rulepacks"
PINS = "pinned.toml"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHOWN = 12  # hex digits of a hash: enough to tell two files apart, short enough to read aloud

PACK_EDITED = Problem(
    code="transfer.pack_edited",
    zh="随附的规则包 {name} 被改动过：应为 {expected}…，实为 {found}…。",
    en="The shipped rule pack {name} was changed: expected {expected}…, found {found}….",
    next_zh="请恢复原文件；要使用自己的规则，请另存为别的文件并用 --rules 指明路径。",
    next_en="Restore the file; to use rules of your own, save them under another name and state it with --rules.",
    http=500,
    exit=Exit.REFUSED,
)
PACK_NOT_PINNED = Problem(
    code="transfer.pack_not_pinned",
    zh="规则包 {name} 在随附文件夹中，但没有登记其哈希。",
    en="The rule pack {name} lies among the shipped ones, but its hash is not on the list.",
    next_zh="请把该文件移到别处并用 --rules 指明路径；确属随附的，请在 pinned.toml 中登记。",
    next_en="Move it elsewhere and state it with --rules; if it is meant to be shipped, list it in pinned.toml.",
    http=500,
    exit=Exit.REFUSED,
)
PACK_MISSING = Problem(
    code="transfer.pack_missing",
    zh="登记过的规则包 {name} 不在了。",
    en="The rule pack {name} is on the list of pins, but the file is gone.",
    next_zh="请恢复该文件；不再随附的，请从 pinned.toml 中删去。",
    next_en="Restore the file; if it is no longer shipped, take it off pinned.toml.",
    http=500,
    exit=Exit.REFUSED,
)
PINS_MALFORMED = Problem(
    code="transfer.pins_malformed",
    zh="规则包的哈希登记表 {file} 无法读取：{where} 处有误。",
    en="The list of pinned rule packs, {file}, cannot be read: {where} is wrong.",
    next_zh="请恢复原文件；每行是文件名和 64 位小写十六进制的 SHA-256。",
    next_en="Restore the file; each line is a file name and its SHA-256 as 64 lowercase hex digits.",
    http=500,
    exit=Exit.REFUSED,
)


def shipped_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """The shipped packs by name (no suffix), sorted. Raises PlatformError (exit 3) where files and pins differ."""
    pins, files = _pins(folder), _files(folder)
    for file in (*sorted(files - pins.keys()), *sorted(pins.keys() - files)):
        _check_listed(file, pins, files)
    return tuple(sorted(file.removesuffix(".toml") for file in files))


def listed_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Every pack that is pinned or lies in the folder, by name, sorted: also one that `shipped_bytes` then refuses.

    Raises PlatformError (exit 3) where the list of pins itself cannot be read.
    """
    return tuple(sorted(file.removesuffix(".toml") for file in _pins(folder).keys() | _files(folder)))


def shipped_bytes(name: str, folder: Path = FOLDER) -> bytes:
    """The bytes of a shipped pack, which are those that were pinned. `name` is one of `listed_names`.

    Raises PlatformError (exit 3) when the file is absent, has no pin or is not what its pin says.
    """
    file, pins = f"{name}.toml", _pins(folder)
    _check_listed(file, pins, _files(folder))
    raw = (folder / file).read_bytes()
    expected, found = pins[file], sha256_hex(raw)
    if found != expected:
        raise PACK_EDITED.error(name=file, expected=expected[:_SHOWN], found=found[:_SHOWN])
    return raw


def _check_listed(file: str, pins: Mapping[str, str], files: Collection[str]) -> None:
    if file not in pins:
        raise PACK_NOT_PINNED.error(name=file)
    if file not in files:
        raise PACK_MISSING.error(name=file)


def _files(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.glob("*.toml")) - {PINS}


def _pins(folder: Path) -> Mapping[str, str]:
    try:
        pins = tomllib.loads((folder / PINS).read_text("utf-8"))
    except (OSError, ValueError) as error:  # absent, not UTF-8, or not TOML
        raise PINS_MALFORMED.error(file=PINS, where="TOML") from error
    for name, pin in pins.items():
        if not isinstance(pin, str) or not _SHA256.fullmatch(pin):
            raise PINS_MALFORMED.error(file=PINS, where=name)
    return pins
