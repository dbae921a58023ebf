"""A mapping file as a typed model: which tables a hospital sends, and which resources a row of each gives.

Everything in the YAML is checked when it is loaded; what is refused is named by its path, such as
`tables[0].emit[2].resource.subject`. The format is described in docs/reference/mappings.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ingestion.mapping.codemaps import CodeMap, read_codemap
from ingestion.mapping.functions import CellReader, read_steps, trim
from ingestion.mapping.problems import BAD_MAPPING, MappingRefused
from ingestion.mapping.templates import Build, Cells, compile_template
from ingestion.mapping.yaml_text import Node, read_yaml
from rwd_platform.core.canonical import sha256_hex, sha256_of

FORMAT_VERSION = 1
_ROOM = Path(__file__).parents[1]
_MAPPINGS, _CODEMAPS = _ROOM / "mappings", _ROOM / "conceptmaps"
_DELIMITERS = {",": b",", ";": b";", "\t": b"\t", "|": b"|"}
_ENCODINGS = ("auto", "utf-8", "gb18030")


@dataclass(frozen=True)
class Emit:
    """One resource that a row may give. `applies` is the `when:` of the YAML."""

    name: str
    resource_type: str
    applies: Callable[[Cells], bool]
    build: Build
    columns: frozenset[str]


@dataclass(frozen=True)
class Coverage:
    """What became of a file's columns.

    used    -- read by at least one template
    unused  -- known to the mapping and read by none: dropped, on purpose
    unknown -- in the file and not known to the mapping: dropped, and somebody should look
    """

    used: tuple[str, ...]
    unused: tuple[str, ...]
    unknown: tuple[str, ...]

    def as_dict(self) -> dict[str, list[str]]:
        return {"used": list(self.used), "unused": list(self.unused), "unknown": list(self.unknown)}


@dataclass(frozen=True)
class Table:
    """One kind of file. `columns` are the headers it must have; `readers` give the names templates use."""

    name: str
    patterns: tuple[str, ...]
    encoding: str
    delimiter: bytes
    columns: tuple[str, ...]
    readers: Mapping[str, CellReader]
    emits: tuple[Emit, ...]

    def matches(self, file_name: str) -> bool:
        """By the name alone: `upload.zip!2024/病案首页.csv` is `病案首页.csv`."""
        last = file_name.replace("\\", "/").rsplit("!", 1)[-1].rsplit("/", 1)[-1]
        return any(fnmatchcase(last, pattern) for pattern in self.patterns)

    def coverage(self, headers: Iterable[str]) -> Coverage:
        """The account of a file's columns, in the file's order."""
        present = list(headers)
        names = {name for emit in self.emits for name in emit.columns}
        read = {self.readers[name].column for name in names}
        return Coverage(
            used=tuple(column for column in present if column in read),
            unused=tuple(column for column in present if column in self.columns and column not in read),
            unknown=tuple(column for column in present if column not in self.columns),
        )


@dataclass(frozen=True)
class TableMapping:
    """A whole mapping. Its identity is name + version + SHA-256 of the text and of the code maps it uses."""

    name: str
    version: str
    sha256: str
    fhir_version: str
    title_zh: str
    title_en: str
    tables: tuple[Table, ...]

    def table_for(self, file_name: str) -> Table | None:
        return next((table for table in self.tables if table.matches(file_name)), None)


def load_mapping(text_or_path: str | Path, codemap_folder: Path = _CODEMAPS) -> TableMapping:
    """A mapping from its YAML text, its file, or the name of one that ships (`demo-hospital-c`).

    Raises PlatformError `mapping.invalid`, naming the place.
    """
    name = "mapping"
    try:
        if isinstance(text_or_path, Path) or "\n" not in text_or_path:
            path = _path_of(text_or_path)
            name = path.name
            text = _text_of(path)
        else:
            text = text_or_path
        return _mapping(read_yaml(text), text, codemap_folder)
    except MappingRefused as refused:
        raise BAD_MAPPING.error(
            name=name, path=refused.path, why_zh=refused.why.zh, why_en=refused.why.en
        ) from None


def _path_of(name: str | Path) -> Path:
    shipped = _MAPPINGS / f"{name}.yaml"
    return shipped if isinstance(name, str) and "/" not in name and shipped.is_file() else Path(name)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError):
        raise MappingRefused(
            "", "文件无法读取，或不是 UTF-8", "the file cannot be read, or is not UTF-8"
        ) from None


def _mapping(root: Node, text: str, codemap_folder: Path) -> TableMapping:
    fields = root.fields(
        ("format_version", "name", "version", "title", "tables"), ("fhir_version", "codemaps")
    )
    if fields["format_version"].value != FORMAT_VERSION:
        raise fields["format_version"].refuse(f"应为 {FORMAT_VERSION}", f"it must be {FORMAT_VERSION}")
    title = fields["title"].fields(("zh", "en"))
    codemaps = (
        {name: read_codemap(name, node, codemap_folder) for name, node in fields["codemaps"].pairs()}
        if "codemaps" in fields
        else {}
    )
    tables = tuple(_table(node, codemaps) for node in fields["tables"].items())
    identity = {
        "text": sha256_hex(text.encode()),
        "codemaps": {name: codemap.as_dict() for name, codemap in codemaps.items()},
    }
    return TableMapping(
        name=fields["name"].text(),
        version=fields["version"].text(),
        sha256=sha256_of(identity),
        fhir_version=fields["fhir_version"].one_of("R4", "R4B", "R5") if "fhir_version" in fields else "R4",
        title_zh=title["zh"].text(),
        title_en=title["en"].text(),
        tables=tables,
    )


def _table(node: Node, codemaps: Mapping[str, CodeMap]) -> Table:
    fields = node.fields(("name", "source", "columns", "key", "emit"), ("types",))
    source = fields["source"].fields(("match",), ("encoding", "delimiter", "empty"))
    columns = fields["columns"].texts()
    for number, column in enumerate(columns):
        if columns.index(column) != number or column != trim(column) or "{" in column or "}" in column:
            raise (
                fields["columns"]
                .items()[number]
                .refuse(
                    "列名重复，或带有空白或大括号", "it stands twice, or has blanks around it or braces in it"
                )
            )
    nulls = frozenset({"", *(source["empty"].texts() if "empty" in source else ())})
    readers = _readers(fields, columns, nulls, codemaps)
    emits = tuple(_emit(item, readers) for item in fields["emit"].items())
    _check_emit_names(fields["emit"], emits)
    return Table(
        name=fields["name"].text(),
        patterns=source["match"].texts(),
        encoding=source["encoding"].one_of(*_ENCODINGS) if "encoding" in source else "auto",
        delimiter=_DELIMITERS[source["delimiter"].one_of(*_DELIMITERS) if "delimiter" in source else ","],
        columns=columns,
        readers=readers,
        emits=emits,
    )


def _readers(
    fields: Mapping[str, Node],
    columns: tuple[str, ...],
    nulls: frozenset[str],
    codemaps: Mapping[str, CodeMap],
) -> dict[str, CellReader]:
    """One reader a column, then those that `types` names anew (`from:` another column)."""
    readers = {column: CellReader(column, (trim,), False, nulls) for column in columns}
    for name, node in fields["types"].pairs() if "types" in fields else ():
        column, steps_node = name, node
        if isinstance(node.value, dict):
            given = node.fields(("from", "apply"))
            column, steps_node = given["from"].text(), given["apply"]
        if column not in columns or (column != name and name in columns):
            raise node.refuse(
                f"没有列“{column}”，或名称与已有列相同",
                f"there is no column `{column}`, or the name is taken",
            )
        steps, required = read_steps(steps_node, codemaps)
        readers[name] = CellReader(column, steps, required, nulls)
    for key in fields["key"].items():
        if key.text() not in columns:
            raise key.refuse(f"没有列“{key.value}”", f"there is no column `{key.value}`")
        readers[key.text()] = replace(readers[key.text()], required=True)
    return readers


def _emit(node: Node, readers: Mapping[str, CellReader]) -> Emit:
    names = frozenset(readers)
    fields = node.fields(("name", "resource"), ("when",))
    resource = fields["resource"]
    template = compile_template(resource, names)
    kind = resource.value.get("resourceType") if isinstance(resource.value, dict) else None
    if not isinstance(kind, str) or "{" in kind:
        raise resource.refuse("缺少 resourceType", "it has no resourceType")
    identifier = resource.value.get("id")
    if not (isinstance(identifier, dict) and "$id" in identifier):
        raise resource.refuse("id 须由 $id 生成", "its id must be made with $id")
    id_node = Node(identifier, resource.at("id"))
    for column in sorted(compile_template(id_node, names).columns):
        if not readers[column].required:
            raise id_node.refuse(
                f"列“{column}”须为 key 或 required", f"the column `{column}` must be a key or required"
            )
    applies, used = _when(fields["when"], names) if "when" in fields else (_always, frozenset())
    return Emit(fields["name"].text(), kind, applies, template.build, template.columns | used)


def _always(_cells: Cells) -> bool:
    return True


def _when(node: Node, names: frozenset[str]) -> tuple[Callable[[Cells], bool], frozenset[str]]:
    """On the value as read: `{column, equals: x}`, `{column, in: [...]}`, `{column, present: true|false}`."""
    fields = node.fields(("column",), ("equals", "in", "present"))
    column = fields["column"].text()
    if column not in names:
        raise fields["column"].refuse(f"没有列“{column}”", f"there is no column `{column}`")
    if len(fields) != 2:
        raise node.refuse(
            "equals、in、present 应有且只有一个", "it has exactly one of equals, in and present"
        )
    if "present" in fields:
        wanted = fields["present"].value
        if not isinstance(wanted, bool):
            raise fields["present"].refuse("应为 true 或 false", "it must be true or false")
        return lambda cells: (cells[column] is not None) is wanted, frozenset({column})
    choices = [item.value for item in fields["in"].items()] if "in" in fields else [fields["equals"].value]
    if not all(_is_plain(choice) for choice in choices):
        raise node.refuse("应为文字或数", "it must be a text or a number")
    return lambda cells: cells[column] in choices, frozenset({column})


def _is_plain(choice: Any) -> bool:
    return isinstance(choice, str | int | Decimal) and not isinstance(choice, bool)


def _check_emit_names(node: Node, emits: tuple[Emit, ...]) -> None:
    names = [emit.name for emit in emits]
    for number, name in enumerate(names):
        if names.index(name) != number:
            raise node.items()[number].refuse(f"名称 {name} 重复", f"the name {name} stands twice")
