"""Verbs for free text. `rwd text scan | clean | learn`: files, no database and no configuration. `rwd text prepare |
released`: a study's texts in the deployment. Values are never shown.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import deployment, researcher
from rwd_platform.cli.files import check_not_an_input, existing_files, text_of, write_text
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, note, say, sum_up
from rwd_platform.core.errors import Exit, Problem

if TYPE_CHECKING:
    from deidentify.free_text.detector import Span
    from deidentify.identifiers_cn import Registry

NOT_JSON = Problem(
    code="text.not_json",
    zh="文件 {name} 第 {line} 行不是 JSON。",
    en="Line {line} of the file {name} is not JSON.",
    next_zh="名册应为 JSON 文件，形如 "
    '`{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`；'
    "结构化数据应为每行一个 FHIR 资源的 NDJSON 文件。",
    next_en="A roster is a JSON file such as "
    '`{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`; '
    "a structured feed is NDJSON, one FHIR resource a line.",
)
_Registry = Annotated[
    Path | None, typer.Option("--registry", help="医院号码规则 TOML · the hospital's registry")
]
_Study = Annotated[str, typer.Option("--study", help="研究编号 · study id")]
_Out = Annotated[Path, typer.Option("--out", help="输出文件 · output file")]


def register(app: typer.Typer) -> None:
    texts = typer.Typer(help="自由文本 · free text", no_args_is_help=True)
    texts.command("scan", help="列出疑似标识的种类与位置 · kinds and places of likely identifiers")(scan)
    texts.command("clean", help="替换标识并移动日期 · replace identifiers and shift dates")(clean)
    texts.command("learn", help="从结构化数据学习医院号码规则 · learn a hospital's forms of numbers")(learn)
    texts.command("prepare", help="清洗并密封研究的文本，待审阅 · clean and seal a study's texts for review")(
        prepare
    )
    texts.command("released", help="取用已审阅发布的文本 · texts that a reviewer released")(released)
    app.add_typer(texts, name="text")


def scan(
    file: Annotated[Path, typer.Argument(help="UTF-8 文本 · text")],
    registry: _Registry = None,
    as_json: Json = False,
) -> int:
    """Kinds and places, never values. Exit 1 if anything was found.

    A place is `start` and `end`, characters from the file's beginning (0 is the first, `end` is past the last), and
    `line` and `column` of `start`, from 1, the column in characters.
    """
    from deidentify.free_text.clean import find_all
    from deidentify.free_text.detector import TextContext
    from deidentify.genetics import find_genetic

    text = text_of(file)
    context = TextContext("", "", b"", registry=_read_registry(registry))
    where = _Lines(text)
    findings = [{**one, **where.of(one["start"])} for one in _places(find_all(text, context))]
    genetic = [
        {"kind": one.kind, "start": one.start, "end": one.end, **where.of(one.start)}
        for one in find_genetic(text)
    ]
    if as_json:
        answer({"file": file.name, "findings": findings, "genetic": genetic})
    for one in (*findings, *genetic):
        say(
            f"{file.name}:{one['line']}:{one['column']} {one['kind']}"
            f"  第 {one['line']} 行第 {one['column']} 字 · line {one['line']}, column {one['column']}"
            f"  [{one['start']}-{one['end']}]"
        )
    sum_up(
        f"{len(findings)} 处疑似标识，{len(genetic)} 处基因信息 · {len(findings)} identifiers, {len(genetic)} genetic"
    )
    return Exit.NO if findings or genetic else Exit.YES


def clean(
    file: Annotated[Path, typer.Argument(help="UTF-8 文本 · text")],
    roster: Annotated[Path, typer.Option("--roster", help="名册 JSON 或 FHIR · roster or FHIR")],
    key_file: Annotated[Path, typer.Option("--key-file", help="至少 32 字节 · 32 bytes or more")],
    out: _Out,
    patient: Annotated[str, typer.Option("--patient", help="患者假名 · the patient's pseudonym")] = "patient",
    project: Annotated[str, typer.Option("--project", help="项目 · project")] = "file",
    registry: _Registry = None,
    as_json: Json = False,
) -> int:
    """Write the text with surrogates. A text in which something is left is withheld: exit 3, nothing written."""
    from deidentify.dates import shift_days
    from deidentify.free_text import clean as cleaning
    from deidentify.free_text.detector import TextContext
    from deidentify.free_text.seeds import Roster

    check_not_an_input(out, [file, roster, key_file])
    text = text_of(file)
    people = Roster.from_dict(_json_of(text_of(roster), roster.name, 1))
    key = existing_files([key_file])[0].read_bytes()
    cleaning.check_key(key)
    days = shift_days(key, project, patient)
    cleaned = cleaning.clean(text, TextContext(patient, project, key, days, people, _read_registry(registry)))
    write_text(out, cleaned.text)
    if as_json:
        spans = _places(cleaned.spans)
        answer({"file": file.name, "out": out.name, "spans": spans, "detectors": list(cleaned.detectors)})
    if cleaned.unsought:
        counts = ", ".join(f"{kind} {number}" for kind, number in cleaned.unsought.items())
        note(f"名册中过短而未查找的值 · roster values too short to be sought: {counts}")
    count = len(cleaned.spans)
    sum_up(
        f"已替换 {count} 处；发布前须经隐私专员审阅 · {count} replaced; a privacy officer reviews it first"
    )
    return Exit.YES


def learn(
    file: Annotated[Path, typer.Argument(help="FHIR .ndjson")],
    out: _Out,
    as_json: Json = False,
) -> int:
    """Write the forms of the identifiers in a hospital's feed; forms and counts, never a value."""
    from deidentify.identifiers_cn.hospital_numbers import OwnedNumber, identifier_values
    from deidentify.identifiers_cn.hospital_numbers import learn as learn_forms

    check_not_an_input(out, [file])
    values: dict[str, list[OwnedNumber]] = {}
    for number, line in enumerate(text_of(file).splitlines(), start=1):
        if line.strip():
            for system, value in identifier_values(_json_of(line, file.name, number)):
                values.setdefault(system, []).append(value)
    registry = learn_forms(values)
    write_text(out, registry.to_toml())
    if as_json:
        answer({"file": file.name, "out": out.name, "forms": len(registry.forms)})
    sum_up(f"{len(registry.forms)} 种号码形式 · {len(registry.forms)} forms")
    return Exit.YES


# -- with the deployment -------------------------------------------------------------------------------------------


def prepare(study: _Study, as_json: Json = False) -> int:
    """Exit 3 when the protocol does not plan to use texts. Nothing is released: a privacy officer reads each one."""
    from rwd_platform.flows.free_text import prepare_texts

    with deployment() as platform:
        added = prepare_texts(platform, researcher(platform), study)
    if as_json:
        answer({"study": study, "added": added})
    sum_up(f"新增 {added} 条待审阅的文本 · {added} new texts wait for a privacy officer")
    return Exit.YES


def released(study: _Study, as_json: Json = False) -> int:
    """One text a line on stdout with --json, else how many there are."""
    from rwd_platform.flows.free_text import released_texts

    with deployment() as platform:
        texts = released_texts(platform, researcher(platform), study)
    if as_json:
        for one in texts:
            answer(one.as_dict())
    sum_up(f"{len(texts)} 条已发布的文本 · {len(texts)} released texts")
    return Exit.YES


class _Lines:
    """Where the lines of a text begin, as an editor counts them."""

    def __init__(self, text: str) -> None:
        # As files are opened: \r\n and a lone \r have become \n already.
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def of(self, offset: int) -> dict[str, int]:
        line = bisect_right(self._starts, offset)
        return {"line": line, "column": offset - self._starts[line - 1] + 1}


def _places(spans: list[Span] | tuple[Span, ...]) -> list[dict[str, Any]]:
    return [{"kind": one.kind, "start": one.start, "end": one.end, "detector": one.detector} for one in spans]


def _read_registry(path: Path | None) -> Registry:
    from deidentify.identifiers_cn import Registry

    return Registry.from_toml(text_of(path)) if path else Registry()


def _json_of(text: str, name: str, line: int) -> object:
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise NOT_JSON.error(name=name, line=line + error.lineno - 1) from None
    except RecursionError:
        raise NOT_JSON.error(name=name, line=line) from None
