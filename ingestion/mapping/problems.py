"""What can be wrong with a mapping file, with a table as a whole, and with one row of it."""

from __future__ import annotations

from dataclasses import dataclass

from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.core.units import Issue

BAD_MAPPING = Problem(
    code="mapping.invalid",
    zh="映射文件 {name} 有误，位置 {path}：{why_zh}。",
    en="The mapping file {name} is wrong at {path}: {why_en}.",
    next_zh="请按 docs/reference/mappings.md 修改该位置后重试。",
    next_en="Correct that place as docs/reference/mappings.md describes, then try again.",
)
NO_TABLE = Problem(
    code="mapping.no_table",
    zh="映射 {mapping} 中没有与文件 {file} 对应的表；它认识的文件名是：{patterns}。",
    en="The mapping {mapping} has no table for the file {file}; the file names it knows are: {patterns}.",
    next_zh="请按映射文件中的名称命名该文件，或在映射文件中增加一个表。",
    next_en="Name the file as the mapping expects, or add a table to the mapping.",
)
BAD_HEADERS = Problem(
    code="mapping.headers",
    zh="文件 {file} 的表头与映射不符：{why_zh}。映射要求的列：{expected}。",
    en="The header of {file} does not fit its mapping: {why_en}. Columns the mapping expects: {expected}.",
    next_zh="请检查导出模板是否改动、列是否错位，改正表头后重新上传整个文件。",
    next_en="Check whether the export or its columns changed; correct the header and send the file again.",
)
BAD_ENCODING = Problem(
    code="mapping.encoding",
    zh="文件 {file} 的文字编码无法识别：{why_zh}。",
    en="The text encoding of {file} cannot be read: {why_en}.",
    next_zh="请以 UTF-8 或 GB18030（GBK）编码另存为 CSV 后重新上传。",
    next_en="Save it as CSV in UTF-8 or GB18030 (GBK) and send it again.",
)

ROOT = "/"


class MappingRefused(Exception):
    """Something in a mapping file is wrong at `path`; the loader adds the name of the file."""

    def __init__(self, path: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.path = path or ROOT
        self.why = Bilingual(zh, en)


@dataclass(frozen=True)
class Rule:
    """Why a row is refused. `{column}` is filled in; nothing else of the row ever is."""

    name: str
    code: str  # FHIR issue type
    zh: str
    en: str
    next_zh: str
    next_en: str

    def issue(self, column: str = "", **details: str) -> Issue:
        known = {"column": column, **details}
        return Issue(
            code=self.code,
            expression=column,
            zh=self.zh.format(**known),
            en=self.en.format(**known),
            next_zh=self.next_zh.format(**known),
            next_en=self.next_en.format(**known),
            rule=self.name,
        )


class CellRefused(Exception):
    """A cell broke a rule; the reader adds the column."""

    def __init__(self, rule: Rule, **details: str) -> None:
        super().__init__(rule.name)
        self.rule = rule
        self.details = details


_FIX_ZH, _FIX_EN = "请在源系统更正后重新上传该行。", "Correct it at the source and send this row again."

MISSING_VALUE = Rule(
    "table.missing_value",
    "required",
    "列“{column}”不能为空。",
    "The column `{column}` must not be empty.",
    "请补全后重新上传该行。",
    "Fill it in and send this row again.",
)
BAD_DATE = Rule(
    "table.bad_date",
    "value",
    "列“{column}”不是存在的日期，或写法不在 {formats} 之列。",
    "The column `{column}` is not a date that exists, or is not written as one of {formats}.",
    _FIX_ZH,
    _FIX_EN,
)
BAD_INTEGER = Rule(
    "table.bad_integer",
    "value",
    "列“{column}”不是整数。",
    "The column `{column}` is not a whole number.",
    _FIX_ZH,
    _FIX_EN,
)
BAD_DECIMAL = Rule(
    "table.bad_decimal",
    "value",
    "列“{column}”不是数。",
    "The column `{column}` is not a number.",
    _FIX_ZH,
    _FIX_EN,
)
UNKNOWN_CODE = Rule(
    "table.unknown_code",
    "code-invalid",
    "列“{column}”的取值不在对照表 {codemap} 中。",
    "The value in column `{column}` is not in the code map {codemap}.",
    "请更正该取值；如取值正确，请由术语人员将其补入对照表。",
    "Correct the value; if it is right, ask the terminologist to add it to the code map.",
)
CELL_COUNT = Rule(
    "table.cell_count",
    "structure",
    "该行有 {found} 个单元格，表头有 {expected} 列，列可能错位。",
    "The row has {found} cells and the header {expected} columns: its cells may have shifted.",
    "请检查单元格内多余或缺少的逗号与引号，更正后重新上传该行。",
    "Look for a comma or quote too many or too few, correct it and send this row again.",
)
BAD_BYTES = Rule(
    "table.encoding",
    "structure",
    "列“{column}”的字节不是 {encoding} 文字。",
    "The bytes in column `{column}` are not {encoding} text.",
    "请以同一种编码重新导出该文件，再上传该行。",
    "Export the file in one encoding throughout, then send this row again.",
)
BAD_QUOTES = Rule(
    "table.quotes",
    "structure",
    "该行的双引号不成对，或引号后还有文字。",
    "A double quote in this row is not closed, or text follows it.",
    "请按 CSV 规则为含逗号、换行的单元格加引号，更正后重新上传该行。",
    "Quote cells with commas or line breaks as CSV asks, correct the row and send it again.",
)
TOO_LONG = Rule(
    "table.row_too_long",
    "too-long",
    "该行超过 {limit} 字节。",
    "The row is longer than {limit} bytes.",
    "请检查是否有未闭合的引号或多余内容，更正后重新上传该行。",
    "Look for an unclosed quote or stray content, correct it and send this row again.",
)
CONTROL_CHARACTER = Rule(
    "table.control_character",
    "value",
    "该行含有不可见的控制字符。",
    "The row holds control characters.",
    "请清除控制字符后重新上传该行。",
    "Remove the control characters and send this row again.",
)
