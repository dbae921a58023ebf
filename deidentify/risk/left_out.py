"""Which columns of a recoded table may not go on: those that identify by themselves, whatever k the others reach."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deidentify.risk.people import People, count_people, person_columns
from deidentify.risk.residual import scan_table
from deidentify.risk.shown import shown_column
from deidentify.risk.table import frame_table
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Suspects:
    """Columns in the table's order. `direct` identify a person; `indirect` are codes and pseudonyms of persons, and
    texts that nobody declared and that nearly tell each record apart."""

    columns: tuple[str, ...]
    direct: tuple[str, ...]
    indirect: tuple[str, ...]
    people: People

    def left_out(self, keep: Collection[str]) -> list[str]:
        """All but those that a person keeps; a direct identifier is never kept."""
        return [*self.direct, *(column for column in self.indirect if column not in keep)]

    def notes(self, keep: Collection[str]) -> list[Bilingual]:
        """What was left out and why, and that k counts records where a person has several."""
        notes = []
        if self.direct:
            zh, en = self._named(self.direct)
            notes.append(
                Bilingual(
                    f"以下列疑似直接标识符，未写入输出：{zh}。",
                    f"Left out of the output as suspected direct identifiers: {en}.",
                )
            )
        if gone := [column for column in self.indirect if column not in keep]:
            zh, en = self._named(gone)
            notes.append(
                Bilingual(
                    f"以下列疑可区分个人（个人代码、假名或几乎逐条不同的文本），未写入输出：{zh}；"
                    "确需保留时请用 --keep 逐列指明。",
                    "Left out of the output because they may tell people apart (codes, pseudonyms, or texts that "
                    f"differ in nearly every record): {en}; where one is needed, name it with --keep.",
                )
            )
        if self.people.column is not None and self.people.repeat:
            zh, en = self.people.shown
            notes.append(
                Bilingual(
                    f"k 按记录计；按{zh}计，{self.people.records:,} 条记录来自 {self.people.persons:,} 人，"
                    f"泛化后最小等价类为 {self.people.k} 人。",
                    f"k counts records; by {en}, {self.people.records:,} records are of {self.people.persons:,} "
                    f"persons, and the smallest class after recoding is {self.people.k} of them.",
                )
            )
        return notes

    def _named(self, columns: Sequence[str]) -> Bilingual:
        shown = [shown_column(column, self.columns.index(column) + 1) for column in columns]
        return Bilingual("、".join(one.zh for one in shown), ", ".join(one.en for one in shown))


def suspects_of(frame: pd.DataFrame, quasi: Sequence[str], sensitive: str | None) -> Suspects:
    """Of a recoded table before any record is left out: columns of texts, `quasi` those that it still has."""
    if not len(frame.columns):
        return Suspects((), (), (), People(None))
    declared = [*quasi, *([sensitive] if sensitive else [])]
    with frame_table(frame, "recoded") as table:
        residual = scan_table(table, declared)
        persons = person_columns(table)
        people = count_people(table, quasi) if quasi else People(None)
    doubtful = {*residual.near_unique, *persons} - set(residual.found)
    return Suspects(
        table.columns,
        direct=tuple(column for column in table.columns if column in residual.found),
        indirect=tuple(column for column in table.columns if column in doubtful),
        people=people,
    )
