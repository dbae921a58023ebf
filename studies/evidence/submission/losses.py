"""What a transport file could not hold of a dataset: counted, and said in both languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import AdamDataset, AdamVariable
from studies.evidence.submission.spelling import LABEL_BYTES, TEXT_BYTES

Kind = Literal[
    "decoded", "respelled", "replaced", "control", "blanks", "cut", "too_large", "too_small", "rounded", "label",
    "name",
]  # fmt: skip

_WORDS: dict[Kind, Bilingual] = {
    "decoded": Bilingual(
        "中文值改写为方案所载的英文；原文见 Dataset-JSON",
        "Chinese values are written as the protocol's English for them; the original is in the Dataset-JSON",
    ),
    "respelled": Bilingual(
        "非 ASCII 符号按通行写法改写（如 ≤ 写作 <=）",
        "Signs outside ASCII are written as is usual (≤ as <=)",
    ),
    "replaced": Bilingual(
        "没有英文对应的字符以“?”代替；原文见 Dataset-JSON",
        "Letters without an English counterpart are replaced by '?'; the original is in the Dataset-JSON",
    ),
    "control": Bilingual(
        "控制字符（含换行）以空格代替", "Control characters, line ends among them, are replaced by a blank"
    ),
    "blanks": Bilingual("值末尾的空格在 XPT 中无法保留", "XPT keeps no blanks at the end of a value"),
    "cut": Bilingual(
        f"值超过 {TEXT_BYTES} 个字符，只保留前 {TEXT_BYTES} 个；全文见 Dataset-JSON",
        f"Values longer than {TEXT_BYTES} characters are cut there; the whole is in the Dataset-JSON",
    ),
    "too_large": Bilingual(
        "数值超出 IBM 浮点数可写的范围，写为缺失",
        "Numbers beyond what an IBM float is written for are missing",
    ),
    "too_small": Bilingual(
        "数值小于 IBM 浮点数可表示的最小值，写为 0", "Numbers smaller than the smallest IBM float are 0"
    ),
    "rounded": Bilingual(
        "超过 2^53 的整数写为最接近的双精度数；原值见 Dataset-JSON",
        "Integers beyond 2^53 are written as the nearest double; the Dataset-JSON has them as they are",
    ),
    "label": Bilingual(
        f"英文标签超过 {LABEL_BYTES} 字节或含非 ASCII 字符，已改短；全文见数据字典",
        f"The English label did not fit {LABEL_BYTES} bytes of ASCII; the whole is in the data dictionary",
    ),
    "name": Bilingual(
        "方案中的名称不能作变量名，使用短名；原名见数据字典",
        "The protocol's name cannot be a variable's; a short one stands for it, and the dictionary has both",
    ),
}


@dataclass(frozen=True)
class Loss:
    """`count` values of a variable that are not in XPT as they are in the data; 1 for a name or a label.

    `variable` is "" where it is the dataset's own label.
    """

    dataset: str
    variable: str
    kind: Kind
    count: int

    @property
    def what(self) -> Bilingual:
        return _WORDS[self.kind]


def described_losses(dataset: AdamDataset) -> Iterable[Loss]:
    """Names and labels that the format's limits changed."""
    if dataset.label.en != dataset.title.en:
        yield Loss(dataset.name, "", "label", 1)
    for one in dataset.variables:
        yield from _of_variable(dataset, one)


def _of_variable(dataset: AdamDataset, one: AdamVariable) -> Iterable[Loss]:
    if one.shortened:
        yield Loss(dataset.name, one.name, "name", 1)
    if one.label.en != one.title.en:
        yield Loss(dataset.name, one.name, "label", 1)
