"""Names of files and columns are repeated only where they can be nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from deidentify.risk.shown import shown_column, shown_file

# file | as it is shown
FILES = [
    ("visits.csv", "visits.csv"),
    ("患者随访.csv.gz", "患者随访.csv.gz"),
    ("2024.csv", "2024.csv"),
    ("病历 2024.json", "病历 2024.json"),
    ("张三460100199001011234.csv", "***.csv"),
    ("王伟芳随访.csv.gz", "***.csv.gz"),
    ("13800138000.json", "***.json"),
    ("zhangsan.csv", "***.csv"),
    ("data.张三", "***"),
    ("", ""),
]


@pytest.mark.parametrize(("name", "shown"), FILES)
def test_a_file_is_shown_by_a_name_that_is_nobodys(name: str, shown: str) -> None:
    assert shown_file(Path("/home/somebody") / name if name else Path(name)) == shown


def test_a_column_is_shown_by_its_place_where_its_name_may_be_a_persons() -> None:
    assert shown_column("患者姓名", 1).zh == "“患者姓名”" and shown_column("ward", 3).en == "“ward”"
    assert shown_column("张伟", 2) == ("第 2 列", "column 2")
    assert shown_column("460100199001011234", 4) == ("第 4 列", "column 4")
