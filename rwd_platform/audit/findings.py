"""What a verification found, in both languages: the rule that was broken and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual

MOST = 100  # findings kept; the first say what happened, the rest repeat it


@dataclass(frozen=True)
class Finding:
    """`rule` is a stable short name; `sequence` the entry it concerns, where it concerns one."""

    rule: str
    zh: str
    en: str
    sequence: int | None = None


TEXTS = {
    "gap": Bilingual(
        "应为第 {expected} 条，实为第 {sequence} 条：日志缺条、重复或顺序被改动。",
        "Entry {expected} was due and {sequence} stands there: entries are missing, repeated or reordered.",
    ),
    "body": Bilingual(
        "第 {sequence} 条的内容不是规范条目：{where}。",
        "Entry {sequence} is not a canonical entry: {where}.",
    ),
    "column": Bilingual(
        "第 {sequence} 条的检索列 {where} 与其内容不符。",
        "Entry {sequence}: the column {where} does not say what the entry says.",
    ),
    "node": Bilingual(
        "{tree} 哈希树节点（层 {level}，位置 {position}）缺失或与条目不符：请查看第 {sequence} 条起的内容。",
        "The {tree} tree's node {level}/{position} is missing or does not follow from the entries from {sequence} on.",
    ),
    "extra_nodes": Bilingual(
        "{tree} 哈希树多出 {count} 个节点：日志尾部（第 {sequence} 条起）可能被截断。",
        "The {tree} tree holds {count} nodes too many: the log's tail, from entry {sequence} on, may have been cut "
        "off.",
    ),
    "unreadable": Bilingual(
        "数据库在第 {sequence} 条附近无法读取：文件已损坏。",
        "The database cannot be read near entry {sequence}: its file is damaged.",
    ),
    "checkpoint_text": Bilingual(
        "大小为 {size} 的检查点格式不正确，或与其登记不符。",
        "The checkpoint filed as size {size} is malformed or of another size.",
    ),
    "checkpoint_origin": Bilingual(
        "大小为 {size} 的检查点属于另一日志 {origin}。",
        "The checkpoint of size {size} belongs to another log, {origin}.",
    ),
    "checkpoint_signature": Bilingual(
        "大小为 {size} 的检查点没有此公钥的有效签名。",
        "The checkpoint of size {size} carries no good signature of this key.",
    ),
    "cosignature": Bilingual(
        "大小为 {size} 的检查点上，见证方的共同签名无效。",
        "The witness's cosignature of the checkpoint of size {size} does not hold.",
    ),
    "checkpoint_root": Bilingual(
        "日志前 {size} 条的根与检查点不一致：第 {sequence} 至 {last} 条之间的历史被改写，或日志出现分叉。",
        "The first {size} entries lack the checkpoint's root: history was rewritten among the entries {sequence} to "
        "{last}, or the log forked.",
    ),
    "shorter": Bilingual(
        "检查点证明曾有 {size} 条，现在只有 {count} 条：第 {sequence} 条起的尾部被截断，或恢复了旧备份。",
        "A checkpoint shows {size} entries and there are {count}: the tail from entry {sequence} on was cut off, or an "
        "old backup was restored.",
    ),
    "unsigned": Bilingual(
        "日志的 {tree} 哈希树没有任何检查点，内容无从证明；请先生成检查点。",
        "The log's {tree} tree has no checkpoint, so nothing vouches for it; make one first.",
    ),
    "proof": Bilingual(
        "第 {sequence} 条的包含证明不成立。",
        "The inclusion proof of entry {sequence} does not hold.",
    ),
    "order": Bilingual(
        "摘录的第 {place} 行与其证明不对应，或顺序不是递增。",
        "Line {place} of the extract does not go with its proof, or is out of order.",
    ),
    "not_comparable": Bilingual(
        "摘录的检查点（{size} 条）与给定的（{given} 条）大小不同，请核对整个日志。",
        "The extract's checkpoint has {size} entries, the given one {given}: compare with the whole log.",
    ),
    "emptied": Bilingual(
        "日志为空，而表 {table} 中有记录：日志被清空。",
        "The log is empty and the table {table} holds records: the log was emptied.",
    ),
    "tables_missing": Bilingual(
        "数据库结构为当前版本，却缺少表 {tables}：表被删除，业务记录未能与日志比对。",
        "The database has today's schema and lacks the tables {tables}: they were dropped, and the records could not "
        "be compared with the log.",
    ),
    "record_unreadable": Bilingual(
        "数据库中的记录无法读取：文件已损坏。",
        "The records in the database cannot be read: its file is damaged.",
    ),
    "record_missing": Bilingual(
        "第 {sequence} 条记载的 {record} 已不在记录中。",
        "Entry {sequence} is about {record}, which is no longer among the records.",
    ),
    "record_unlogged": Bilingual(
        "记录 {record} 没有对应的日志条目 {action}。",
        "The record {record} has no entry {action} in the log.",
    ),
    "record_changed": Bilingual(
        "{record} 的字段 {field} 与第 {sequence} 条日志不符：记录在日志之外被改动。",
        "The field {field} of {record} is not what entry {sequence} says: it was changed behind the log.",
    ),
}


class Findings:
    """Collects findings in order, and keeps counting when it stops collecting."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.count = 0
        self.records: set[str] = set()  # that something was said of

    def add(self, rule: str, *, sequence: int | None = None, **details: Any) -> None:
        self.count += 1
        self.records.add(str(details.get("record", "")))
        if len(self.kept) < MOST:
            details["sequence"] = sequence
            texts = TEXTS[rule]
            said = (texts.zh.format(**details), texts.en.format(**details))
            self.kept.append(Finding(rule, *said, sequence))
