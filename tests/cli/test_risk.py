"""`rwd risk` as the contract fixes it: the keys, their types, the exit codes, and nothing but JSON on stdout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.cli.calling import Rwd, is_chinese
from tests.deidentify.risk.tables import NINE, SWEENEY, adult

KEYS = [
    "records", "quasi", "k", "classes", "uniques", "class_sizes", "l", "entropy_l", "t", "prosecutor_max",
    "marketer", "journalist_max", "population_uniqueness", "persons",
]  # fmt: skip
QUASI = "race,birth,gender,zip"


@pytest.fixture
def sweeney(tmp_path: Path) -> Path:
    path = tmp_path / "sweeney.csv"
    path.write_text(SWEENEY, encoding="utf-8")
    return path


def test_the_document_has_the_contracts_keys_and_no_others(rwd: Rwd, sweeney: Path) -> None:
    answer = rwd("risk", sweeney, "--quasi", QUASI, "--sensitive", "problem", "--json")
    assert answer.code == 0
    assert list(answer.document) == KEYS
    document = answer.document
    assert (document["records"], document["k"], document["classes"], document["uniques"]) == (11, 2, 5, 0)
    assert document["quasi"] == QUASI.split(",")
    assert document["class_sizes"] == {"2": 4, "3": 1}
    assert (document["l"], document["entropy_l"]) == (1, 1.0)
    assert (document["prosecutor_max"], document["marketer"]) == (0.5, 5 / 11)
    assert document["journalist_max"] is document["population_uniqueness"] is document["persons"] is None


def test_without_json_the_figures_are_words_on_stdout(rwd: Rwd, sweeney: Path) -> None:
    answer = rwd("risk", sweeney, "--quasi", QUASI, "--sensitive", "problem")
    said = answer.stdout.decode()
    assert (answer.code, answer.stderr) == (0, "")
    assert "k = 2" in said and is_chinese(said)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_sensitive_column_among_the_quasi_identifiers_is_warned_of(
    rwd: Rwd, sweeney: Path, as_json: bool
) -> None:
    """Every class then has one value of it, and l = 1 says nothing of the table. The figures are printed all the
    same; with --json the warning is one line beside them."""
    options = ("--quasi", f"{QUASI},problem", "--sensitive", "problem", *(["--json"] if as_json else []))
    answer = rwd("risk", sweeney, *options)
    assert answer.code == 0 and answer.stdout
    (warning,) = [line for line in answer.stderr.splitlines() if "Warning" in line]
    assert "敏感列" in answer.stderr and "quasi-identifier" in warning
    assert is_chinese(warning) is as_json, "two lines in words, one beside JSON"


def test_a_folder_is_said_to_be_one(rwd: Rwd, tmp_path: Path) -> None:
    answer = rwd("risk", tmp_path, "--quasi", "a", "--sensitive", "b", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "cli.is_folder")
    assert "文件夹" in answer.document["error"]["zh"] and "folder" in answer.document["error"]["en"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_the_delimiters_of_the_contract_are_read(rwd: Rwd, tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "\n".join(delimiter.join(row) for row in (("a", "b", "s"), *(("1", "2", "x"),) * 2)) + "\n"
    )
    answer = rwd("risk", path, "--quasi", "a,b", "--sensitive", "s", "--json")
    assert (answer.code, answer.document["k"]) == (0, 2)


def test_a_population_and_a_fraction_fill_the_other_two_keys(rwd: Rwd, sweeney: Path) -> None:
    """The table is its own population: the journalist knows as much as the prosecutor; nobody is unique."""
    answer = rwd(
        "risk", sweeney, "--quasi", QUASI, "--sensitive", "problem", "--population", sweeney,
        "--sampling-fraction", "1", "--json",
    )  # fmt: skip
    assert answer.document["journalist_max"] == 0.5
    assert answer.document["population_uniqueness"] == {"dankar": 0.0, "pitman": 0.0, "zayatz": 0.0}


def test_a_model_without_an_answer_is_null_and_stderr_says_why(rwd: Rwd, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,s\n1,x\n2,x\n3,y\n")
    answer = rwd("risk", path, "--quasi", "a", "--sensitive", "s", "--sampling-fraction", "0.2", "--json")
    assert answer.document["population_uniqueness"] == {"dankar": 1.0, "pitman": None, "zayatz": 1.0}
    assert "pitman" in answer.stderr and "no combination repeats" in answer.stderr


def test_adults_two_published_figures(rwd: Rwd) -> None:
    """ARX's average risk and population uniqueness, all nine columns being quasi-identifiers."""
    answer = rwd(
        "risk", adult(), "--quasi", ",".join(NINE), "--sensitive", "salary-class", "--sampling-fraction", "0.2",
        "--json",
    )  # fmt: skip
    assert answer.document["marketer"] == pytest.approx(0.6465751607983555, abs=1e-9)
    assert answer.document["population_uniqueness"]["dankar"] == pytest.approx(0.3577099234829125, abs=1e-9)


def test_parquet_and_a_column_name_with_a_comma(rwd: Rwd, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a,b": ["1", "1"], "s": [1.0, 2.0]}).to_parquet(path)
    answer = rwd("risk", path, "--quasi", '"a,b"', "--sensitive", "s", "--json")
    assert (answer.code, answer.document["quasi"], answer.document["k"]) == (0, ["a,b"], 2)


def test_codes_written_in_digits_are_numbers_unless_said_otherwise(rwd: Rwd, tmp_path: Path) -> None:
    """The table has 10, 20, 20, 90. In order, each class is (1/4 + 1/4) / 2 from it; as codes, half of
    1/4 + 1/2 + 1/4."""
    path = tmp_path / "t.csv"
    path.write_text("a,s\n1,10\n1,90\n2,20\n2,20\n")
    found = [
        rwd("risk", path, "--quasi", "a", "--sensitive", "s", *options, "--json").document["t"]
        for options in ((), ("--categorical",))
    ]
    assert found == pytest.approx([0.25, 0.5])


def test_the_report_is_written_in_both_languages_and_formats(rwd: Rwd, sweeney: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    answer = rwd("risk", sweeney, "--quasi", QUASI, "--sensitive", "problem", "--report", folder, "--json")
    assert list(answer.document) == KEYS, "the report adds nothing to stdout"
    assert sorted(path.name for path in folder.iterdir()) == [
        "risk.en.html", "risk.en.md", "risk.zh.html", "risk.zh.md",
    ]  # fmt: skip
    assert is_chinese((folder / "risk.zh.md").read_text(encoding="utf-8"))


BAD: list[tuple[tuple[str, ...], str]] = [
    (("--quasi", "race,nothing", "--sensitive", "problem"), "risk.column_unknown"),
    (("--quasi", "race", "--sensitive", "nothing"), "risk.column_unknown"),
    (("--quasi", "race,race", "--sensitive", "problem"), "risk.column_twice"),
    (("--quasi", "", "--sensitive", "problem"), "risk.quasi_needed"),
    (("--quasi", "race", "--sensitive", "problem", "--sampling-fraction", "0"), "risk.sampling_fraction"),
    (("--quasi", "race", "--sensitive", "problem", "--sampling-fraction", "nan"), "risk.sampling_fraction"),
    (("--quasi", "race", "--sensitive", "problem", "--population", "none.csv"), "cli.file_missing"),
    (("--quasi", "race", "--sensitive", "problem", "--memory", "much"), "risk.memory_limit"),
]


@pytest.mark.parametrize(("options", "code"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_what_cannot_be_assessed_is_exit_2_and_named(
    rwd: Rwd, sweeney: Path, options: tuple[str, ...], code: str
) -> None:
    answer = rwd("risk", sweeney, *options, "--json")
    assert answer.code == 2
    error = answer.document["error"]
    assert error["code"] == code
    assert is_chinese(error["zh"]) and is_chinese(error["next_zh"]) and error["en"] and error["next_en"]


def test_a_missing_or_malformed_file_is_exit_2(rwd: Rwd, tmp_path: Path) -> None:
    assert rwd("risk", "none.csv", "--quasi", "a", "--sensitive", "b").code == 2
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("a,s\n1,2\n1\n")
    answer = rwd("risk", ragged, "--quasi", "a", "--sensitive", "s", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "risk.malformed")


def test_it_needs_no_home_and_no_database(rwd: Rwd, sweeney: Path, tmp_path: Path) -> None:
    rwd("risk", sweeney, "--quasi", QUASI, "--sensitive", "problem", "--json")
    assert [path.name for path in tmp_path.iterdir()] == ["sweeney.csv"]


# -- rows are not people -------------------------------------------------------------------------------

VISITS = "姓名,出生年,性别,诊断\n" + "".join(
    f"{name},1950,{sex},C{visit % 10}\n"
    for name, sex in (("张伟", "男"), ("李娜", "女"))
    for visit in range(60)
)


def test_the_persons_are_counted_beside_the_rows(rwd: Rwd, tmp_path: Path) -> None:
    """Two people of sixty visits each: the contract's figures stay those of rows, and `persons` says the other."""
    path = tmp_path / "visits.csv"
    path.write_text(VISITS, encoding="utf-8")
    ask = ("risk", path, "--quasi", "出生年,性别", "--sensitive", "诊断")
    answer = rwd(*ask, "--report", tmp_path / "r", "--json")
    assert (answer.document["k"], answer.document["records"]) == (60, 120)
    assert answer.document["persons"] == {
        "column": "姓名", "position": 1, "named": False, "persons": 2, "unknown": 0, "varying": 0, "k": 1,
        "classes": 2, "uniques": 2, "class_sizes": {"1": 2}, "prosecutor_max": 1.0, "marketer": 1.0,
    }  # fmt: skip
    assert "120 records are of 2 persons" in answer.stderr and "120 条记录来自 2 人" in answer.stderr
    report = (tmp_path / "r" / "risk.zh.md").read_text(encoding="utf-8")
    assert "级别：1 级" in report and "通过 |" not in report.replace("不通过 |", "")
    for name in ("张伟", "李娜"):
        assert name not in report + answer.stderr + answer.stdout.decode()


def test_the_person_column_can_be_named(rwd: Rwd, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("who,a,s\n1,x,p\n2,x,q\n")
    answer = rwd("risk", path, "--quasi", "a", "--sensitive", "s", "--person", "who", "--json")
    persons = answer.document["persons"]
    assert (persons["column"], persons["named"], persons["k"], answer.stderr.count("警告")) == (
        "who",
        True,
        2,
        0,
    )
    absent = rwd("risk", path, "--quasi", "a", "--sensitive", "s", "--person", "nobody", "--json")
    assert (absent.code, absent.document["error"]["code"]) == (2, "risk.column_unknown")


def test_a_file_named_after_a_patient_is_not_repeated(rwd: Rwd, tmp_path: Path) -> None:
    """Neither as missing, nor beside an unknown column, nor as the title of the report."""
    name = "王伟芳460100199001011234"
    path = tmp_path / f"{name}.csv"
    missing = rwd("risk", path, "--quasi", "a", "--sensitive", "s")
    path.write_text("a,s\n1,x\n1,y\n")
    unknown = rwd("risk", path, "--quasi", "b", "--sensitive", "s", "--json")
    done = rwd("risk", path, "--quasi", "a", "--sensitive", "s", "--report", tmp_path / "r")
    assert (missing.code, unknown.document["error"]["code"], done.code) == (2, "risk.column_unknown", 0)
    written = "".join(one.read_text(encoding="utf-8") for one in (tmp_path / "r").iterdir())
    told = written + "".join(one.stdout.decode() + one.stderr for one in (missing, unknown, done))
    assert "***.csv" in written and "***.csv" in missing.stderr
    assert name not in told and "王伟芳" not in told and "460100" not in told
