"""`rwd recode`: the best levels for a file, the plan for a lock, and the recoded file itself."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.calling import Rwd, is_chinese

ROWS = """age,sex,ward,diagnosis,note
34,F,eye,H35.3,a
36,F,ear,H35.3,b
35,F,eye,H25.9,c
61,M,heart,I25.1,d
64,M,heart,I25.1,e
63,M,heart,C50.9,f
62,M,eye,I25.1,g
90,F,heart,C50.9,"h, too"
"""
WARD = "eye;head;*\near;head;*\nheart;chest;*\n"
SEX = "F;*\nM;*\n"


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """The file, and beside it a folder of hierarchies and a list of them."""
    folder = tmp_path / "hierarchies"
    folder.mkdir()
    (folder / "ward.csv").write_text(WARD, "utf-8")
    (folder / "clinic_hierarchy_sex.csv").write_text(SEX, "utf-8")
    (folder / "list.toml").write_text('age = "age"\nward = "ward.csv"\n', "utf-8")
    path = tmp_path / "visits.csv"
    path.write_text(ROWS, "utf-8")
    return path


def test_the_levels_the_score_and_the_plan_are_printed(rwd: Rwd, visits: Path):
    """Without the ages there are four visits to the head's wards and four to the chest's: 4·4 + 4·4 = 32.

    With ages in bands of 20 years it would be 3·3 + 4·4 and 8 for the woman of 90, who is left out: 33.
    """
    found = rwd("recode", visits, "--quasi", "age,ward", "--hierarchies", "hierarchies/list.toml",
                "--k", 3, "--suppression", 0.4, "--metric", "dm", "--json")  # fmt: skip
    said = found.document
    assert found.code == 0
    assert said["node"] == {"age": 4, "ward": 1} and said["suppressed"] == 0
    assert said["plan"] == {"age": "drop", "ward": "generalise:ward:1"}
    assert said["class_sizes"] == {"4": 2} and said["score"] == 32
    assert said["records"] == 8 and said["nodes"] == 5 * 3 and 0 < said["counted"] <= 15
    assert "dm = 32.0" in found.stderr and is_chinese(found.stderr)


@pytest.mark.parametrize("out", ["visits.csv", "./visits.csv", "hierarchies/list.toml"])
def test_the_output_is_never_written_over_what_is_read(rwd: Rwd, visits: Path, out: str):
    """The recoded file may be all stars, and the input the only copy: refused before anything is computed."""
    before = visits.read_bytes()
    found = rwd("recode", visits, "--quasi", "age,ward", "--hierarchies", "hierarchies/list.toml",
                "--k", 2, "--out", out, "--json")  # fmt: skip
    assert (found.code, found.document["error"]["code"]) == (2, "cli.own_input")
    assert visits.read_bytes() == before


def test_the_file_written_reaches_k_and_keeps_its_other_columns(rwd: Rwd, visits: Path, tmp_path: Path):
    """Entropy keeps bands of ten years, and leaves out the man of 62 in the eye ward and the woman of 90."""
    found = rwd("recode", visits, "--quasi", "age,ward", "--hierarchies", "hierarchies/list.toml", "--k", 3,
                "--suppression", 0.4, "--metric", "entropy", "--out", tmp_path / "out.csv", "--json")  # fmt: skip
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert found.code == 0 and list(rows[0]) == ["age", "sex", "ward", "diagnosis", "note"]
    sizes = Counter((row["age"], row["ward"]) for row in rows)
    assert Counter(map(str, sizes.values())) == found.document["class_sizes"] and min(sizes.values()) >= 3
    assert found.document["node"] == {"age": 2, "ward": 1} and found.document["suppressed"] == 2
    assert len(rows) == 6
    assert {row["note"] for row in rows} <= {"a", "b", "c", "d", "e", "f", "g", "h, too"}


def test_a_column_that_the_plan_drops_is_not_in_the_file(rwd: Rwd, visits: Path, tmp_path: Path):
    found = rwd("recode", visits, "--quasi", "age,ward", "--hierarchies", "hierarchies/list.toml",
                "--k", 3, "--out", tmp_path / "out.csv")  # fmt: skip
    header, *rows = (tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert (found.code, found.stderr) == (0, "") and "第 4 级".encode() in found.stdout
    assert header == "sex,ward,diagnosis,note" and rows[-1] == 'F,chest,C50.9,"h, too"'


def test_arx_hierarchy_files_are_found_by_the_name_of_their_column(rwd: Rwd, visits: Path):
    """`<table>_hierarchy_<column>.csv`, semicolons and no header, as ARX writes them."""
    found = rwd("recode", visits, "--quasi", "sex,ward", "--hierarchies", "hierarchies", "--k", 2, "--json")
    assert found.code == 0 and set(found.document["node"]) == {"sex", "ward"}


def test_cells_are_blanked_where_that_was_asked_for(rwd: Rwd, visits: Path, tmp_path: Path):
    """Nobody is left out: instead single cells are empty, and k holds with an empty cell as a value of its own."""
    found = rwd("recode", visits, "--quasi", "sex,ward", "--hierarchies", "hierarchies", "--k", 3,
                "--suppression", 0.5, "--cells", "--out", tmp_path / "out.csv", "--json")  # fmt: skip
    cells = found.document["cells"]
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    sizes = Counter((row["sex"], row["ward"]) for row in rows)
    assert min(sizes.values()) == cells["k"] >= 3 and len(rows) == 8 - cells["removed"]
    assert cells["by_column"] == {name: sum(not row[name] for row in rows) for name in ("sex", "ward")}


def test_minimal_uniques_say_which_columns_single_people_out(rwd: Rwd, visits: Path):
    """Every age occurs once, so age alone singles out all eight; before anything is generalised."""
    found = rwd("recode", visits, "--quasi", "age,ward", "--hierarchies", "hierarchies/list.toml",
                "--k", 2, "--suppression", 0.5, "--uniques", 2, "--json")  # fmt: skip
    uniques = found.document["uniques"]
    assert uniques["records"] == 8 and uniques["sets"] == {"age": 8, "ward": 1}
    assert list(uniques["contribution"]) == ["age", "ward"]


def test_diversity_can_be_demanded_of_the_sensitive_column(rwd: Rwd, visits: Path):
    plain = rwd("recode", visits, "--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--json")
    diverse = rwd("recode", visits, "--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2,
                  "--sensitive", "diagnosis", "--distinct-l", 4, "--json")  # fmt: skip
    assert plain.document["node"] == {"sex": 0} and diverse.document["node"] == {"sex": 1}


def test_a_k_that_no_level_reaches_is_a_no_and_not_a_mistake(rwd: Rwd, visits: Path):
    (visits.parent / "hierarchies" / "ward.csv").write_text("eye;head\near;head\nheart;chest\n", "utf-8")
    found = rwd("recode", visits, "--quasi", "ward", "--hierarchies", "hierarchies", "--k", 5, "--json")
    assert found.code == 1 and found.document["error"]["code"] == "recode.no_solution"


# arguments after the file | exit code | problem
WRONG = [
    (("--quasi", "age,ward", "--hierarchies", "hierarchies", "--k", 2), 2, "recode.hierarchy_missing"),
    (("--quasi", "sex", "--hierarchies", "hierarchies/list.toml", "--k", 2), 2, "recode.hierarchy_missing"),
    (("--quasi", "height", "--hierarchies", "hierarchies", "--k", 2), 2, "risk.column_unknown"),
    (
        ("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--sensitive", "dx", "--out", "o.csv"),
        2,
        "risk.column_unknown",
    ),
    (("--quasi", "", "--hierarchies", "hierarchies", "--k", 2), 2, "risk.quasi_needed"),
    (("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 1), 2, "recode.bad_demand"),
    (("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 9), 2, "recode.bad_demand"),
    (("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--suppression", 1), 2, "recode.bad_demand"),
    (("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--metric", "x"), 2, "recode.bad_demand"),
    (("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--t", 0.1), 2, "recode.bad_demand"),
    (("--quasi", "sex", "--hierarchies", "nowhere", "--k", 2), 2, "cli.file_missing"),
    (("--quasi", "sex", "--hierarchies", "visits.csv", "--k", 2), 2, "recode.hierarchies_unreadable"),
    (("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--uniques", 0), 2, "uniques.bad_parameter"),
    (("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--out", "no/where.csv"), 4, "cli.cannot_write"),
    (
        ("--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--cells", "--sensitive", "ward", "--t", 0.9),
        2,
        "recode.cells_only_for_k",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "problem"), WRONG)
def test_each_mistake_is_named(
    rwd: Rwd, visits: Path, arguments: tuple[object, ...], code: int, problem: str
):
    found = rwd("recode", visits, *arguments, "--json")
    assert (found.code, found.document["error"]["code"]) == (code, problem)


def test_a_value_outside_the_hierarchy_is_not_repeated(rwd: Rwd, visits: Path):
    """It could be a name in the wrong column."""
    visits.write_text(ROWS.replace("eye,H25.9", "王璟琰,H25.9"), "utf-8")
    found = rwd("recode", visits, "--quasi", "ward", "--hierarchies", "hierarchies", "--k", 2, "--json")
    assert found.document["error"]["code"] == "recode.value_not_in_hierarchy"
    assert "王璟琰" not in found.stdout.decode() + found.stderr


# what stands in the list | what is said of it in both languages
UNREADABLE = [
    ('age = "age"\nward = ward.csv\n', "第 2 行第 8 列", "at line 2, column 8"),
    ('age = "age"\nward = "', "文件末尾", "at the end of the file"),
    ("age = 3\n", "age 的值不是文本", "what stands for age is no text"),
    ("age = " + "[" * 5000, "层层嵌套", "nested"),
]


@pytest.mark.parametrize(("content", "zh", "en"), UNREADABLE, ids=[case[2] for case in UNREADABLE])
def test_the_place_of_a_fault_in_the_list_is_told(rwd: Rwd, visits: Path, content: str, zh: str, en: str):
    (visits.parent / "hierarchies" / "list.toml").write_text(content, "utf-8")
    found = rwd(
        "recode", visits, "--quasi", "age", "--hierarchies", "hierarchies/list.toml", "--k", 2, "--json"
    )
    error = found.document["error"]
    assert (found.code, error["code"]) == (2, "recode.hierarchies_unreadable")
    assert zh in error["zh"] and en in error["en"]


# -- closeness of long numbers -------------------------------------------------------------------------

LONG = "g,s\n" + "".join(f"{g},{n}\n{g},{n}\n{g},\n" for g, n in (("A", 2**53), ("B", 2**53 + 1)))


def test_numbers_that_a_float_cannot_tell_apart_are_two_values_here_too(rwd: Rwd, tmp_path: Path):
    """`rwd risk` finds 1/6 between the two groups; a demand of 0.1 therefore joins them."""
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "g.csv").write_text("A;*\nB;*\n")
    path = tmp_path / "long.csv"
    path.write_text(LONG)
    ask = (
        "recode",
        path,
        "--quasi",
        "g",
        "--hierarchies",
        tmp_path / "h",
        "--k",
        2,
        "--sensitive",
        "s",
        "--json",
    )
    measured = rwd("risk", path, "--quasi", "g", "--sensitive", "s", "--json").document
    assert measured["t"] == pytest.approx(1 / 6)
    assert rwd(*ask, "--t", 0.1).document["node"] == {"g": 1}
    assert rwd(*ask, "--t", 0.17).document["node"] == {"g": 0}


# -- columns that identify ------------------------------------------------------------------------------

PEOPLE = "name,patient_id,subject,age,sex,drug_name,site_id\n" + "".join(
    f"张伟{n % 10},4601001990010{n:05},S{n},{30 + n % 4},{'FM'[n % 2]},drug {n % 2},{n % 3}\n"
    for n in range(40)
)


@pytest.fixture
def people(visits: Path) -> Path:
    path = visits.parent / "people.csv"
    path.write_text(PEOPLE, "utf-8")
    return path


def recoded(rwd: Rwd, people: Path, *options: str):
    return rwd("recode", people, "--quasi", "sex", "--hierarchies", "hierarchies", "--k", 2, "--out", "o.csv",
               *options, "--json")  # fmt: skip


def test_columns_that_identify_are_left_out_and_named(rwd: Rwd, people: Path):
    """What the plan did not touch is not copied blindly: a name beside a recoded sex would undo it."""
    found = recoded(rwd, people)
    header = (people.parent / "o.csv").read_text("utf-8").splitlines()[0]
    assert (found.code, header) == (0, "age,sex,drug_name,site_id")
    direct, indirect = found.document["notes"][:2]
    for column, note in (("name", direct), ("patient_id", direct), ("subject", indirect)):
        assert f"“{column}”" in note["zh"] and f"“{column}”" in note["en"]
    assert is_chinese(direct["zh"]) and "--keep" in indirect["zh"]


def test_a_doubtful_column_can_be_kept(rwd: Rwd, people: Path):
    found = recoded(rwd, people, "--keep", "subject")
    header = (people.parent / "o.csv").read_text("utf-8").splitlines()[0]
    assert (found.code, header) == (0, "subject,age,sex,drug_name,site_id")
    assert all("subject" not in note["en"] for note in found.document["notes"][:1])


@pytest.mark.parametrize(("column", "code", "problem"), [
    ("patient_id", 3, "recode.keep_identifier"), ("name", 3, "recode.keep_identifier"),
    ("nothing", 2, "risk.column_unknown"),
])  # fmt: skip
def test_a_direct_identifier_is_never_kept(rwd: Rwd, people: Path, column: str, code: int, problem: str):
    found = recoded(rwd, people, "--keep", "subject", "--keep", column)
    assert (found.code, found.document["error"]["code"]) == (code, problem)
    assert not (people.parent / "o.csv").exists()


def test_rows_of_the_same_person_are_told_beside_k(rwd: Rwd, visits: Path):
    """Three visits of one woman reach k = 3 in rows."""
    path = visits.parent / "again.csv"
    path.write_text("subject,sex\n" + "S1,F\n" * 3 + "S2,M\nS3,M\nS4,M\n")
    found = recoded(rwd, path)
    (note,) = [one for one in found.document["notes"] if "6 records are of 4 persons" in one["en"]]
    assert "最小等价类为 1 人" in note["zh"]


def test_a_column_without_a_header_is_named_by_its_place(rwd: Rwd, visits: Path):
    path = visits.parent / "again.csv"
    path.write_text("王伟芳,sex\n张伟,F\n李娜,F\n王芳,M\n刘洋,M\n", "utf-8")
    found = recoded(rwd, path)
    told = found.stdout.decode() + found.stderr
    assert "王伟芳" not in told and "第 1 列" in told and "column 1" in told
    assert (path.parent / "o.csv").read_text("utf-8").splitlines()[0] == "sex"
