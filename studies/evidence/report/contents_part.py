"""Of the page that opens from a package: for whom it was made, what it holds and where, what was answered.

What is not there is named with its reason.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.documents import SEALED

_FROM = "data/"  # the page lies in data/00_index
_FEW = 4  # files that are listed one by one

_WORDS = {
    "head": Bilingual("本包为谁而作，含有什么", "For whom this package is, and what it holds"),
    "reader": Bilingual("读者：{reader} · {title}", "Reader: {reader} · {title}"),
    "lists": Bilingual("清单", "Checklists"),
    "held": Bilingual("应有 {expected} 部分，已有 {found} 部分", "{found} of the {expected} parts asked for are here"),
    "files": Bilingual("共 {count} 个文件，在 {folder}", "{count} files in {folder}"),
    "counts": Bilingual(
        "已回答 {answered}，不适用 {not_applicable}，未提供但已说明原因 {explained}",
        "answered {answered}, not applicable {not_applicable}, not provided with the reason {explained}",
    ),
    "confirm": Bilingual("位置须对照官方文本核对", "place to be checked against the official text"),
    "not_asked": Bilingual("不适用", "not applicable"),
    "explained": Bilingual("未提供，原因", "not provided, with the reason"),
    "left_out": Bilingual("未提供（非必备）", "not provided (optional)"),
    "missing": Bilingual("缺失", "missing"),
    "sealed": Bilingual(
        "rows.p7m 是逐行的递交数据集，只加密给本包的接收方（CMS EnvelopedData，AES-256）：由持有相应私钥的人打开，"
        "其他人（包括本平台）都打不开。打开的命令：",
        "rows.p7m holds the submission datasets row by row, sealed to this package's recipient alone (CMS "
        "EnvelopedData, AES-256): whoever has the private key opens it, and nobody else can, this platform included. "
        "It opens with:",
    ),
    "inside": Bilingual("得到的 rows.zip 中的文件见数据说明。", "The data guide says what is in rows.zip."),
}  # fmt: skip
OPEN_SEALED = "openssl cms -decrypt -inform DER -in rows.p7m -inkey private_key.pem -out rows.zip"


def contents(
    document: Mapping[str, Any],
    checklists: Sequence[Mapping[str, Any]],
    language: Language,
    there: Collection[str] = (),
) -> str:
    """A part of the page. `document`: contents.json; `checklists`: each answered checklist's JSON; `there`: the
    package's files, of which those of the page's language are linked.
    """
    return "\n".join(_lines(document, checklists, language, there))


def _lines(
    document: Mapping[str, Any],
    checklists: Sequence[Mapping[str, Any]],
    language: Language,
    there: Collection[str],
) -> Iterator[str]:
    yield f'<details class="contents"><summary>{_say("head", language)}</summary>'
    reader, title = (document[name][language] for name in ("reader", "title"))
    yield f"<p>{_say('reader', language, reader=reader, title=title)}</p>"
    for one in document["says"]:
        yield f"<p>{_text(one, language)}</p>"
    yield f"<p>{_say('held', language, expected=document['expected'], found=document['found'])}</p>"
    yield "<ol>"
    for part in document["parts"]:
        yield f"<li>{_part(part, language, there)}</li>"
    yield "</ol>"
    if checklists:
        yield f"<p>{_say('lists', language)}</p><ul>"
        for one in checklists:
            yield f"<li>{_checklist(one, language)}</li>"
        yield "</ul>"
    yield "</details>"


def _part(part: Mapping[str, Any], language: Language, there: Collection[str]) -> str:
    said = [f"<b>{_text(part['title'], language)}</b>"]
    if part["place"]:
        note = f" ({_say('confirm', language)})" if part["confirm_place"] else ""
        said.append(f"{_text(part['place'], language)}{note}")
    if part["statement"] and part["statement"]["said"]:
        said.append(f"<q>{_text(part['statement']['said'], language)}</q>")
    if part["files"]:
        said.append(_files(in_language(part["files"], language, there), language))
    if SEALED in part["files"]:
        said.append(
            f"{_say('sealed', language)} <code>{html.escape(OPEN_SEALED)}</code> {_say('inside', language)}"
        )
    if part["status"] != "found":
        reason = f": {_text(part['reason'], language)}" if part["reason"] else ""
        said.append(f"<i>{_say(part['status'], language)}{reason}</i>")
    return "<br>".join(said)


def in_language(files: Sequence[str], language: Language, there: Collection[str]) -> list[str]:
    """Of a file that the package has in both languages the one of this language, each once."""
    other = "zh" if language == "en" else "en"
    twins = [one.replace(f"_{other}.", f"_{language}.") for one in files]
    return list(dict.fromkeys(twin if twin in there else one for one, twin in zip(files, twins, strict=True)))


def _files(files: Sequence[str], language: Language) -> str:
    if len(files) <= _FEW:
        return " · ".join(_link(one) for one in files)
    folder = files[0].rpartition("/")[0]
    return f'<a href="{_address(folder)}/">{_say("files", language, count=len(files), folder=folder)}</a>'


def _link(path: str) -> str:
    return f'<a href="{_address(path)}">{html.escape(path.rpartition("/")[2])}</a>'


def _address(path: str) -> str:
    return html.escape("../" + quote(path.removeprefix(_FROM)), quote=True)


def _checklist(one: Mapping[str, Any], language: Language) -> str:
    address = _address(f"data/00_index/checklists/{one['checklist']}.html")
    told = _say("counts", language, **one["counts"]) if one["applies"] else _say("not_asked", language)
    return f'<a href="{address}">{html.escape(one["checklist"])}</a> {_text(one["name"], language)}: {told}'


def _text(pair: Mapping[str, str], language: Language) -> str:
    return html.escape(pair[language])


def _say(key: str, language: Language, **facts: object) -> str:
    return html.escape(_WORDS[key].in_language(language).format(**facts))
