"""Is this machine ready? Each check looks, and says what it saw."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rwd_platform.core.errors import PlatformError
from rwd_platform.settings import Settings

_ENOUGH_DISK_GIB = 2


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether it holds, and what was seen."""

    name: str
    ok: bool
    zh: str
    en: str


def examine(settings: Settings) -> list[Finding]:
    """Every check, in order. A check that breaks is a finding too, with its cause."""
    findings: list[Finding] = []
    for check in (_python, _root_key, _home, _disk, _database, _fonts, _timestamps):
        try:
            findings.extend(check(settings))
        except PlatformError as error:
            findings.append(Finding(check.__name__.strip("_"), False, error.zh, error.en))
        except OSError as error:
            seen = error.strerror or type(error).__name__
            findings.append(Finding(check.__name__.strip("_"), False, f"检查失败：{seen}", f"failed: {seen}"))
    return findings


Check = Callable[[Settings], Iterator[Finding]]


def _python(_settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Finding("python", fits, f"Python {version}", f"Python {version}")


def _root_key(settings: Settings) -> Iterator[Finding]:
    keys = settings.key_ring()
    if keys.is_demo:
        yield Finding(
            "root_key",
            True,
            "根密钥：公开的演示密钥（仅限演示）",
            "root key: the published demo key (demo only)",
        )
    else:
        yield Finding(
            "root_key", True, "根密钥可用，仅所有者可读", "root key: usable, readable by its owner alone"
        )


def _home(settings: Settings) -> Iterator[Finding]:
    settings.home.mkdir(parents=True, exist_ok=True)
    probe = settings.home / ".doctor"
    with probe.open("wb") as stream:
        stream.write(b"rwd")
        stream.flush()
        os.fsync(stream.fileno())
    probe.unlink()
    yield Finding("home", True, "数据目录可写且可落盘", "home: written and synced")


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.home).free / 1024**3
    enough = free >= _ENOUGH_DISK_GIB
    yield Finding("disk", enough, f"可用磁盘 {free:.1f} GiB", f"free disk {free:.1f} GiB")


def _database(settings: Settings) -> Iterator[Finding]:
    from rwd_platform.records.database import is_at_head, migrate, open_database

    engine = open_database(settings.database)
    migrate(engine)
    yield Finding(
        "database", is_at_head(engine), "数据库可用，结构为最新", "database: reachable, schema at head"
    )


def _fonts(_settings: Settings) -> Iterator[Finding]:
    from fontTools.ttLib import TTFont

    from studies.evidence.fonts import sans_file

    with TTFont(sans_file(), lazy=True) as font:
        drawn = ord("乐") in font.getBestCmap()
    yield Finding("fonts", drawn, "报告字体含“乐”字形", "the report's fonts draw 乐")


def _timestamps(settings: Settings) -> Iterator[Finding]:
    """The roots alone: an authority that is asked would stamp something."""
    if settings.timestamp_roots is None:
        return
    from rwd_platform.flows.timestamps import roots_in
    from rwd_platform.signing.timestamps import StampRefused

    try:
        count = len(roots_in(settings.timestamp_roots))
    except StampRefused:
        yield Finding(
            "timestamps",
            False,
            "时间戳机构的根证书文件无法读取",
            "time stamps: the file of roots cannot be read",
        )
        return
    yield Finding(
        "timestamps", True, f"时间戳机构的根证书 {count} 个", f"time stamps: roots in the file {count}"
    )
