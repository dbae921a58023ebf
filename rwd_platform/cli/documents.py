"""`rwd docs`: reference pages made from the code itself, so that they cannot say something else."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.files import write_text
from rwd_platform.cli.output import say
from rwd_platform.core.errors import PROBLEMS, Exit

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/reference"
MADE = "<!-- made by `./run docs`; edit the code, not this page -->\n"


def register(app: typer.Typer) -> None:
    app.command("docs", help="生成参考文档 · write the reference pages")(docs)


def docs(
    check: Annotated[bool, typer.Option("--check", help="只比较 · compare only")] = False,
) -> int:
    """Write docs/reference. With --check: exit 1 when a page is not what the code says."""
    stale = []
    for name, text in pages().items():
        path = REFERENCE / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            write_text(path, text)
    say("  ".join(stale) if stale else "✓")
    return Exit.NO if check and stale else Exit.YES


def pages() -> dict[str, str]:
    """Every generated page by file name."""
    return {
        "errors.md": _errors(),
        "lifecycles.md": _lifecycles(),
        "settings.md": _settings(),
        "tables.md": _tables(),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return f"{MADE}# {title}\n\n" + "\n".join(lines) + "\n"


def _errors() -> str:
    for package in ("rwd_platform", "ingestion", "deidentify", "quality", "studies"):
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if "migrations" not in module.name and "templates" not in module.name:
                importlib.import_module(module.name)

    def lines() -> Iterator[str]:
        yield "Names in braces are filled in with places and names, never with a value from a record.\n"
        yield "| code | what happened | what to do next | HTTP | exit |\n|---|---|---|---|---|"
        for code in sorted(PROBLEMS):
            one = PROBLEMS[code]
            yield (
                f"| `{code}` | {one.zh}<br>{one.en} | {one.next_zh}<br>{one.next_en}"
                f" | {one.http} | {int(one.exit)} |"
            )

    return _page("Errors · 错误", lines())


def _lifecycles() -> str:
    from rwd_platform.records import lifecycles

    cycles: dict[str, Mapping[StrEnum, frozenset[StrEnum]]] = {
        "Upload · 上传": lifecycles.UPLOAD,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Study · 研究": lifecycles.STUDY,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Package · 证据包": lifecycles.PACKAGE,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Break-glass request · 应急查看申请": lifecycles.BREAK_GLASS,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Release of results · 结果发布": lifecycles.RELEASE,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Unsealing · 揭盲": lifecycles.UNSEALING,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Free text · 自由文本": lifecycles.TEXT,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Question to a hospital · 数据质疑": lifecycles.QUESTION,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Round of source verification · 源数据核查": lifecycles.ROUND,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Sheet of source verification · 源数据核查表": lifecycles.SHEET,  # type: ignore[dict-item]  # mappings are invariant in their key
        "Job · 任务": lifecycles.JOB,  # type: ignore[dict-item]  # mappings are invariant in their key
    }

    def lines() -> Iterator[str]:
        for title, cycle in cycles.items():
            yield f"## {title}\n\n```mermaid\nstateDiagram-v2"
            for state in cycle:
                for following in sorted(cycle[state]):
                    yield f"    {state} --> {following}"
                if not cycle[state]:
                    yield f"    {state} --> [*]"
            yield "```\n"

    return _page("Life cycles · 生命周期", lines())


def _settings() -> str:
    from rwd_platform.settings import Settings

    def lines() -> Iterator[str]:
        yield "Environment variables; `rwd doctor` says whether they fit this machine.\n"
        yield "| variable | default | what it means |\n|---|---|---|"
        for name, field in Settings.model_fields.items():
            default = field.default if field.default not in (None, "") else "(none)"
            yield f"| `RWD_{name.upper()}` | `{default}` | {field.description} |"

    return _page("Settings · 设置", lines())


def _tables() -> str:
    """Every column of the lake and of the tables derived from it, with what it is and how it is to be handled."""
    from deidentify.classification import load_catalogue
    from ingestion.derived import DERIVED, columns_of
    from ingestion.overseas import columns
    from ingestion.views import load_views, tables_of

    views = load_views()
    zones = load_catalogue().zones

    def rows(zone: str, table: str, shown: Iterable[tuple[str, str, str, str]]) -> Iterator[str]:
        yield "| column | type | 中文 | English | class 类 | level 级 | identifier 标识 |"
        yield "|---|---|---|---|---|---|---|"
        for name, kind, zh, en in shown:
            yield f"| `{name}` | {kind} | {zh} | {en} | {_handling(zone, table, name)} |"
        yield ""

    def lines() -> Iterator[str]:
        yield "Every table of the lake is made by FHIR ViewDefinitions in `ingestion/definitions`; several may feed"
        yield "one table. Each row also carries where it came from: organisation, source system, resource, file, line,"
        yield "line digest, upload. `*_id` are tokens under the hospital's key and never enter a lock. How Lecheng's"
        yield "own facts are written stands in `ingestion/definitions/lecheng.toml`.\n"
        for table, view in tables_of(views).items():
            sources = ", ".join(sorted(one.resource for one in views if one.name == table))
            yield f"## {table} · {zones['lake'].tables[table].zh} ← {sources}\n"
            yield from rows("lake", table, ((one.name, one.type, one.zh, one.en) for one in view.columns))
        yield "# Derived tables · 派生表\n\nComputed from the tables above when asked for; not stored.\n"
        for table in DERIVED:
            yield f"## {table} · {zones['derived'].tables[table].zh}\n"
            yield from rows(
                "derived", table, ((one.name, one.type, one.zh, one.en) for one in columns_of(table))
            )
        yield "## overseas_result · 境外结果\n\nRead from `ingestion/overseas/results.csv`; no patient is in it.\n"
        yield from rows(
            "derived", "overseas_result", ((one.name, one.type, one.zh, one.en) for one in columns())
        )

    return _page("Tables of the study store · 研究数据库的表", lines())


def _handling(zone: str, table: str, column: str) -> str:
    """Class, level and identifier of a column, as table cells."""
    from deidentify.classification import classify, load_catalogue

    catalogue, label = load_catalogue(), classify(table, column, zone)
    kind = catalogue.words("classes")[label.category]
    identifier = catalogue.words("identifiers")[label.identifier]
    sensitive = " · sensitive 敏感" if label.sensitive else ""
    return f"{kind.en} {kind.zh} | {label.level} | {identifier.en} {identifier.zh}{sensitive}"
