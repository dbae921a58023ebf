"""Verbs that need no database, key or configuration: validate, deidentify, views. Those of `transfer` are beside."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.files import (
    check_not_an_input,
    existing_files,
    existing_folder,
    shown_name,
    writable_folder,
    write_text,
)
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, note, say, sum_up
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.units import Issue, Place

KEY_FILE_MISSING = Problem(
    code="deidentify.key_file_missing",
    zh="找不到或无法读取 --key-file 所指的文件。",
    en="The file of --key-file cannot be read.",
    next_zh="请核对路径与权限，或省略 --key-file 使用一次性随机密钥。",
    next_en="Check its path and permissions, or leave --key-file out for a one-time random key.",
)
KEY_FILE_SHORT = Problem(
    code="deidentify.key_file",
    zh="密钥文件不足 32 字节。",
    en="The key file holds fewer than 32 bytes.",
    next_zh="请提供至少 32 字节的随机密钥文件，或省略 --key-file 使用一次性随机密钥。",
    next_en="Give a file of at least 32 random bytes, or leave --key-file out for a one-time random key.",
)
SAME_OUTPUT = Problem(
    code="deidentify.same_output",
    zh="有多个输入文件会写成同一个输出 {name}。",
    en="Several input files would be written to the same output {name}.",
    next_zh="请分次运行，或先给输入文件改名。",
    next_en="Run them one by one, or rename the inputs first.",
)
NAME_HOLDS_NUMBER = Problem(
    code="deidentify.name_holds_number",
    zh="有 {number} 个输入文件的文件名形似含人名、住址或个人号码（如身份证号），而输出沿用该文件名，故未处理任何文件。",
    en="The names of {number} input files look as if they held a person's name, address or number (such as a resident "
    "ID or a mobile number); the output is named after its input, so nothing was processed.",
    next_zh="请先给输入文件改名（不含姓名、住址和个人号码），然后重试。",
    next_en="Rename the inputs, without names, addresses and numbers of persons, and run it again.",
    exit=Exit.REFUSED,
)
BACKEND_UNKNOWN = Problem(
    code="views.backend_unknown",
    zh="--backend 目前只有 python 可用。",
    en="Of --backend there is only python so far.",
    next_zh="请用 --backend python，或省略该选项。",
    next_en="Give --backend python, or leave the option out.",
)


def register(app: typer.Typer) -> None:
    app.command("validate", help="校验 FHIR 文件 · check FHIR files")(validate)
    app.command("deidentify", help="按策略去标识 · de-identify by a policy")(deidentify)
    views = typer.Typer(help="视图 · ViewDefinitions", no_args_is_help=True)
    views.command("conform", help="运行 SQL on FHIR 公共测试 · run the SQL on FHIR suite")(conform)
    app.add_typer(views, name="views")


def validate(
    files: Annotated[list[Path], typer.Argument(help=".json .ndjson [.gz]")],
    fhir_version: Annotated[str, typer.Option("--fhir-version", help="R4 | R4B | R5")] = "R4",
    as_json: Json = False,
) -> int:
    """One line per resource. Exit 1 if any line is not accepted."""
    from ingestion.conform import validate_file

    counts: dict[str, int] = {}
    for path in existing_files(files):
        for line in validate_file(path, fhir_version):
            counts[line["outcome"]] = counts.get(line["outcome"], 0) + 1
            if as_json:
                answer(line)
            elif line["outcome"] != "accept":
                for issue in line["issues"]:
                    say(
                        f"{line['file']}:{line['line']} {issue['expression']}\n  {issue['zh']}\n  {issue['en']}"
                    )
    sum_up(" · ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "0")
    return Exit.YES if set(counts) <= {"accept"} else Exit.NO


def deidentify(
    files: Annotated[list[Path], typer.Argument(help=".json .ndjson [.gz]")],
    policy: Annotated[str, typer.Option("--policy", help="名称或路径 · name or path")],
    out: Annotated[Path, typer.Option("--out", help="输出目录 · output directory")],
    key_file: Annotated[Path | None, typer.Option("--key-file")] = None,
    as_json: Json = False,
) -> int:
    """Write DIR/<input stem>.ndjson. Rejected and quarantined resources are counted, never written."""
    from deidentify.policy import load_policy
    from rwd_platform.flows.deidentify_files import deidentify_file, expand_key, names_a_person

    # First of all: any other refusal would repeat the name.
    numbered = sum(map(names_a_person, files))
    if numbered:
        raise NAME_HOLDS_NUMBER.error(number=numbered)
    loaded = load_policy(policy)
    _warn_of_lint(policy)
    _check_outputs(files, out)
    key = _key_of(key_file)
    _warn_of_names(files)
    pseudonyms, shifts = expand_key(key)
    total = {"read": 0, "written": 0, "rejected": 0, "quarantined": 0}
    dropped: dict[str, int] = {}
    writable_folder(out)
    left_out = _LeftOut()
    for path in files:
        account = deidentify_file(path, out, loaded, pseudonyms, shifts, left_out.hear)
        for name in total:
            total[name] += getattr(account, name)
        for element, times in account.dropped.items():
            dropped[element] = dropped.get(element, 0) + times
    if key_file is None:
        note("使用一次性随机密钥：假名不可重现 · one-time random key: the pseudonyms cannot be made again")
    left_out.tell_the_rest()
    if as_json:
        answer({**total, "dropped": dict(sorted(dropped.items()))})
    say(
        f"读取 {total['read']:,} · 写出 {total['written']:,} · 退回 {total['rejected']:,}"
        f" · 隔离 {total['quarantined']:,} · 去除的元素 {len(dropped):,} 种"
    )
    sum_up(
        " · ".join(f"{name} {count:,}" for name, count in total.items())
        + f" · paths dropped {len(dropped):,}"
    )
    return Exit.YES


def _check_outputs(files: list[Path], out: Path) -> None:
    """Every input is there, and none of the outputs is another's or an input."""
    from rwd_platform.flows.deidentify_files import output_name

    for name, times in Counter(map(output_name, existing_files(files))).items():
        if times > 1:
            raise SAME_OUTPUT.error(name=shown_name(Path(name)))
    for path in files:
        check_not_an_input(out / output_name(path), files)


def _key_of(key_file: Path | None) -> bytes:
    if key_file is None:
        return os.urandom(32)
    try:
        key = existing_files([key_file])[0].read_bytes()
    except (PlatformError, OSError):
        raise KEY_FILE_MISSING.error() from None  # without its name: a slip may put anything there
    if len(key) < 32:
        raise KEY_FILE_SHORT.error()
    return key


def _warn_of_names(files: list[Path]) -> None:
    from rwd_platform.flows.deidentify_files import may_name_a_person

    if any(map(may_name_a_person, files)):
        note(
            "警告：有输入文件名可读作拼音姓名，输出将沿用该文件名，请核对。",
            "Warning: an input file's name can be read as a person's name, and it goes through into the output's "
            "name: check it.",
        )


class _LeftOut:
    """Why something was not written: the first of them with their places, never what stood there."""

    MOST = 20

    def __init__(self) -> None:
        self._count = 0

    def hear(self, place: Place, issue: Issue) -> None:
        self._count += 1
        if self._count <= self.MOST:
            where = f"{place.file}:{place.line} {issue.expression} [{issue.rule or issue.code}]"
            note(where, f"  {issue.zh}{issue.next_zh}", f"  {issue.en} {issue.next_en}")

    def tell_the_rest(self) -> None:
        if self._count > self.MOST:
            more = self._count - self.MOST
            note(f"另有 {more:,} 处，见 `rwd validate` · {more:,} more: see `rwd validate`")


def _warn_of_lint(policy: str) -> None:
    """A policy of the user's own is linted before it is obeyed; one with errors may make invalid FHIR."""
    from deidentify.lint import has_errors, lint
    from deidentify.policy import load_policy, shipped_policies

    if policy in shipped_policies():
        return
    findings = lint(load_policy(policy))
    if has_errors(findings):
        count = sum(one.severity == "error" for one in findings)
        note(
            f"警告：策略检查发现 {count} 项错误，结果可能不是有效的 FHIR，请先对该策略运行 `rwd policy lint`。",
            f"Warning: the policy has {count} lint errors, and what is written may be no valid FHIR: "
            "run `rwd policy lint` on it first.",
        )


def conform(
    directory: Annotated[Path, typer.Argument(help="测试目录 · the suite's folder")],
    report: Annotated[Path, typer.Option("--report")],
    backend: Annotated[str, typer.Option("--backend", help="python")] = "python",
) -> int:
    """Run the suite; write the official report. Exit 1 if any test fails."""
    from ingestion.views.conform import run_suite

    if backend != "python":
        raise BACKEND_UNKNOWN.error()
    outcome = run_suite(existing_folder(directory))
    write_text(report, json.dumps(outcome, ensure_ascii=False, indent=2) + "\n")
    results = [test["result"]["passed"] for file in outcome.values() for test in file["tests"]]
    sum_up(f"{sum(results)} / {len(results)}")
    return Exit.YES if results and all(results) else Exit.NO
