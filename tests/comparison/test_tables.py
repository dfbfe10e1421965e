"""report.csv and report.md: every number comes back, no name breaks a table."""

import csv
import json
import re
from pathlib import Path

import pytest

from dlcourse.comparison.comparing import compare
from dlcourse.comparison.run_table import write_csv
from dlcourse.comparison.tables import group_table, write_markdown
from dlcourse.text_tables import aligned, markdown_table
from tests.comparison.run_folders import leave_grid, leave_results, leave_run, leave_sweep

SGD, ADAM = ("optimizer=sgd",), ("optimizer=adam",)
ODD = 'a|b,"c" <i>*x*</i> `y`\n=1+1'


def csv_rows(folder: Path) -> list[dict[str, str]]:
    path = folder / "report.csv"
    write_csv(compare([folder]), path)
    with open(path, newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def markdown(folder: Path) -> str:
    write_markdown(compare([folder]), folder / "report.md")
    return (folder / "report.md").read_text(encoding="utf-8")


def cells(line: str) -> list[str]:
    """What a Markdown reader shows of a table's row."""
    parts = re.split(r"(?<!\\)\|", line)[1:-1]
    return [re.sub(r"\\(.)", r"\1", part).strip() for part in parts]


def table_of(text: str) -> list[list[str]]:
    return [cells(line) for line in text.splitlines() if line.startswith("|")]


def odd_sweep(folder: Path) -> Path:
    """A finished run, one that failed with an odd message, one that is missing."""
    jobs = {"one": [*SGD, "seed=0"], "two": [*ADAM, "seed=0"], "three": [*ADAM, "seed=1"]}
    leave_run(folder / "one", *jobs["one"], nll=0.1 + 0.2, seconds=1.5)
    leave_run(folder / "two", *jobs["two"], state="failed", error=f"Traceback\n{ODD}")
    return leave_sweep(folder, jobs, swept=["optimizer", "seed"])


def test_the_csv_has_a_row_for_every_job_and_its_numbers_come_back_exactly(tmp_path: Path) -> None:
    first, second, third = csv_rows(odd_sweep(tmp_path / "sweep"))
    assert float(first["test/nll"]) == 0.1 + 0.2
    assert (first["name"], first["state"], first["optimizer"], first["seed"]) == (
        "one",
        "done",
        "sgd",
        "0",
    )
    assert (first["seconds"], first["folder"], first["error"]) == ("1.5", "one", "")
    assert first["command"] == "python scripts/train.py optimizer=sgd seed=0"
    assert (second["state"], second["test/nll"], second["error"]) == ("failed", "", "=1+1")
    assert (third["state"], third["folder"], third["optimizer"], third["seed"]) == (
        "missing",
        "",
        "adam",
        "1",
    )


def test_the_csv_has_intervals_and_folds_where_there_are_any(tmp_path: Path) -> None:
    for fold in (0, 1):
        folder = leave_run(tmp_path / str(fold), f"split.fold={fold}")
        leave_results(folder, {"nll": 1.0, "nll_interval": [0.5, 2.0], "auroc": 0.9})
    row = csv_rows(tmp_path)[1]
    assert (row["test/nll/low"], row["test/nll/high"], row["split.fold"]) == ("0.5", "2.0", "1")
    assert "test/auroc/low" not in row
    assert list(row).index("test/auroc") < list(row).index("test/nll"), "the yardstick is first"


@pytest.mark.parametrize("value", [ODD.replace("\n", " "), "ä ß 音", "''", "C:\\x"])
def test_odd_values_come_back_from_the_csv_and_break_no_table(tmp_path: Path, value: str) -> None:
    leave_run(tmp_path / "a", f"net.hidden={json.dumps(value)}", nll=1.0)
    leave_run(tmp_path / "b", "net.hidden=7", nll=2.0)
    assert csv_rows(tmp_path)[0]["net.hidden"] == value
    rows = table_of(markdown(tmp_path))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert value in {row[0] for row in rows}


def test_the_markdown_has_verdict_table_baselines_notes_and_failures(tmp_path: Path) -> None:
    folder = leave_grid(tmp_path / "sweep", {SGD: [2.0, 2.1], ADAM: [1.0, 1.2]})
    leave_run(folder / "broke", *SGD, "seed=2", state="failed", error=ODD)
    plan = json.loads((folder / "sweep.json").read_text())
    plan["jobs"]["broke"] = [*SGD, "seed=2"]
    (folder / "sweep.json").write_text(json.dumps(plan))
    text = markdown(folder)
    header, _, adam, sgd, bigram = table_of(text)
    assert header[:5] == ["optimizer", "nll", "seeds", "difference", "p"]
    assert adam[:5] == ["adam", "1.100 ± 0.141", "2", "", ""]
    assert sgd[:3] == ["sgd", "2.050 ± 0.071", "2"]
    assert sgd[3].startswith("+0.950 (")
    assert (sgd[-1], sgd[-2]) == ("2 done, 1 failed", "10")
    row = dict(zip(header, bigram, strict=True))
    assert (row["optimizer"], row["nll"], row["state"]) == ("bigram", "3.000", "trivial baseline")
    comparison = compare([folder])
    assert re.sub(r"\\(.)", r"\1", text.splitlines()[2]) == comparison.verdict
    for note in comparison.notes:
        assert f"- {note}" in re.sub(r"\\(.)", r"\1", text)
    failures = text.partition("## Failed")[2].strip().splitlines()
    assert len(failures) == 1
    assert re.sub(r"\\(.)", r"\1", failures[0]) == "- broke: =1+1"


def test_small_differences_are_not_rounded_away(tmp_path: Path) -> None:
    folder = leave_grid(tmp_path / "sweep", {SGD: [1.00001, 1.00003]})
    _, rows = group_table(compare([folder]))
    assert rows[0][1] == "1.00002 ± 0.00001"


def test_a_terminal_gets_columns_and_no_escape_sequences() -> None:
    text = aligned(["a", "b"], [["long", "x"], ["\x1b[31m", "y\n"]])
    assert text.splitlines() == ["a      b", "long   x", " [31m  y"]


def test_markdown_cells_show_what_they_hold() -> None:
    assert cells(markdown_table(["h"], [["a|b\n`c` <x>"]])[2]) == ["a|b `c` <x>"]
