"""Small published tables, and small ways to write one down."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from deidentify.risk.measures import Measures, measure
from deidentify.risk.table import Table, open_table

# Sweeney 2002, "k-anonymity: a model for protecting privacy", figure 2: k = 2 in race, birth, gender, ZIP.
SWEENEY = """\
race,birth,gender,zip,problem
Black,1965,m,0214*,short breath
Black,1965,m,0214*,chest pain
Black,1965,f,0213*,hypertension
Black,1965,f,0213*,hypertension
Black,1964,f,0213*,obesity
Black,1964,f,0213*,chest pain
White,1964,m,0213*,chest pain
White,1964,m,0213*,obesity
White,1964,m,0213*,short breath
White,1967,m,0213*,chest pain
White,1967,m,0213*,chest pain
"""
# Machanavajjhala et al. 2007, "l-diversity", figures 2 (4-anonymous) and 3 (3-diverse inpatient microdata).
FOUR_ANONYMOUS = """\
zip,age,nationality,condition
130**,<30,*,Heart Disease
130**,<30,*,Heart Disease
130**,<30,*,Viral Infection
130**,<30,*,Viral Infection
1485*,>=40,*,Cancer
1485*,>=40,*,Heart Disease
1485*,>=40,*,Viral Infection
1485*,>=40,*,Viral Infection
130**,3*,*,Cancer
130**,3*,*,Cancer
130**,3*,*,Cancer
130**,3*,*,Cancer
"""
THREE_DIVERSE = """\
zip,age,nationality,condition
1305*,<=40,*,Heart Disease
1305*,<=40,*,Viral Infection
1305*,<=40,*,Cancer
1305*,<=40,*,Cancer
1485*,>40,*,Cancer
1485*,>40,*,Heart Disease
1485*,>40,*,Viral Infection
1485*,>40,*,Viral Infection
1306*,<=40,*,Heart Disease
1306*,<=40,*,Viral Infection
1306*,<=40,*,Cancer
1306*,<=40,*,Cancer
"""
# Li et al. 2007, "t-closeness", tables 3 (the 3-diverse one, where the first class is close in salary) and 5.
# Salaries in thousands; published distances: table 3's first class 0.375, its second 0.167; table 5 is
# 0.167-close in salary.
LI_THREE_DIVERSE = """\
zip,age,salary,disease
476**,2*,3,gastric ulcer
476**,2*,4,gastritis
476**,2*,5,stomach cancer
4790*,>=40,6,gastritis
4790*,>=40,11,flu
4790*,>=40,8,bronchitis
476**,3*,7,bronchitis
476**,3*,9,pneumonia
476**,3*,10,stomach cancer
"""
LI_CLOSE = """\
zip,age,salary,disease
4767*,<=40,3,gastric ulcer
4767*,<=40,5,stomach cancer
4767*,<=40,9,pneumonia
4790*,>=40,6,gastritis
4790*,>=40,11,flu
4790*,>=40,8,bronchitis
4760*,<=40,4,gastritis
4760*,<=40,7,bronchitis
4760*,<=40,10,stomach cancer
"""
NINE = (
    "sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation",
    "salary-class",
)  # fmt: skip


def written(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def measured(
    folder: Path, text: str | bytes, quasi: Sequence[str], sensitive: str, **options: bool
) -> Measures:
    with open_table(written(folder, text)) as table:
        return measure(table, quasi, sensitive, **options)


@contextmanager
def opened(folder: Path, text: str | bytes, name: str = "table.csv") -> Iterator[Table]:
    with open_table(written(folder, text, name)) as table:
        yield table


def adult() -> Path:
    """The public `adult` table, where the shared data are; it is not ours to commit."""
    beside = Path(__file__).resolve().parents[4] / "shared/data"
    path = Path(os.environ.get("RWD_SUITES", beside)) / "deidentification/adult/adult.csv.gz"
    if not path.is_file():
        pytest.skip("the adult table is not here: put it under RWD_SUITES or ../shared/data")
    return path


def as_csv(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> str:
    """CSV with every value quoted, so that any text survives."""
    lines = [",".join(columns)]
    for row in rows:
        quoted = ['"' + (row[column] or "").replace('"', '""') + '"' for column in columns]
        lines.append(",".join(quoted))
    return "\n".join(lines) + "\n"
