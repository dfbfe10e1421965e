"""Expected numbers: in every file that names one, held to what a run gives, and back in tables."""

import json
import os
import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from dlcourse.cli import conf_path
from dlcourse.errors import InputError
from dlcourse.options import flat_options
from dlcourse.reproducing import check_experiments
from dlcourse.reproduction.expectations import (
    AS_EXPECTED,
    DIFFERENT,
    MINUTES,
    WITHIN_INTERVAL,
    Figure,
    agreement,
    chosen,
    expected_numbers,
    minutes_text,
)
from dlcourse.reproduction.experiments import Check, commands
from dlcourse.reproduction.results_tables import command, table_rows, with_numbers
from dlcourse.xray.results_row import results_row

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXPECTED = expected_numbers(CONF)
FILES = sorted((CONF / "experiment").glob("*.yaml"))
SAMPLE = """# A title

| `python scripts/train.py` | NLL | copying | minutes |
|---|---|---|---|
| (`experiment=music_composed`, a note) | 9.000 | 9.000 | 9 |
| `experiment=music_melody 'encoding.lookback=[]'` | 8.000 | - | 2 |

| another | table |
|---|---|
| `experiment=music_composed` | stays |
"""


def composed_numbers(name: str) -> dict[str, float] | None:
    with initialize_config_dir(conf_path(), version_base="1.3"):
        found = compose("train", [f"experiment={name}"]).expected
    return found and {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_s_first_comment_and_its_expected_numbers_agree(path: Path) -> None:
    comment = path.read_text(encoding="utf-8").splitlines()[1]
    numbers = EXPECTED.get(path.stem)
    assert composed_numbers(path.stem) == numbers, "nothing is left of what it builds on"
    if numbers is None:
        assert "Not measured" in comment
        return
    kind = "AUROC" if path.stem.startswith("xray") else "NLL"
    told = re.search(rf"{kind} (\d+\.(\d+))", comment)
    assert round(numbers[kind.lower()], len(told[2])) == float(told[1])
    time = re.search(r"([\d.]+) (?:CPU )?(minutes|seconds)", comment)
    minutes = float(time[1]) / (1 if time[2] == "minutes" else 60)
    assert numbers[MINUTES] == pytest.approx(minutes, abs=0.05)
    for name in ("counts", "guess", "metadata"):
        if beside := re.search(rf"{name}:? (\d\.\d+)", comment):
            assert numbers[name] == float(beside[1])


def test_the_readme_shows_the_expected_numbers() -> None:
    rows = {row.command: row for row in table_rows(README)}
    for name, numbers in EXPECTED.items():
        row = rows.get(command(f"experiment={name}"))
        if name == "music_untrained":
            assert f"{numbers['nll']:.3f}" in README
            continue
        cells = dict(zip(row.columns, row.cells[1:], strict=True))
        told = {key: value for key, value in numbers.items() if key != "download"}
        for key, value in told.items():
            assert float(cells[key].split()[0]) == value, (name, key)
        assert {key for key, cell in cells.items() if cell != "-"} == told.keys()


def test_the_cheap_ones_need_no_download() -> None:
    cheap = chosen(["cheap"], EXPECTED)
    assert cheap == ["music_composed", "music_untrained", "xray_phantoms"]
    for name in cheap:
        with initialize_config_dir(conf_path(), version_base="1.3"):
            source = compose("train", [f"experiment={name}"]).data.source
        assert source["_target_"].endswith((".Composed", ".Phantoms"))


def test_expected_numbers_are_no_options_of_a_run() -> None:
    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("train", ["folder=runs/x"])
    assert config.expected
    assert not [key for key in flat_options(config) if key.startswith("expected")]


@pytest.mark.parametrize(
    ("value", "interval", "agrees"),
    [
        (0.9074, None, AS_EXPECTED),
        (0.9065, None, AS_EXPECTED),
        (0.9081, None, DIFFERENT),
        (0.9081, (0.9, 0.92), WITHIN_INTERVAL),
        (0.95, (0.9, 1.0), WITHIN_INTERVAL),
        (0.96, (0.92, 1.0), DIFFERENT),
        (None, None, DIFFERENT),
    ],
)
def test_a_number_agrees_when_it_rounds_the_same_or_lies_within_its_own_interval(
    value: float | None, interval: tuple[float, float] | None, agrees: str
) -> None:
    assert agreement(Figure(value, interval), 0.907) == agrees


def test_names_choose_experiments_once_and_an_unknown_one_lists_them() -> None:
    assert chosen(["xray_phantoms", "cheap", "xray_phantoms"], EXPECTED)[0] == "xray_phantoms"
    assert chosen(["all"], EXPECTED) == list(EXPECTED)
    with pytest.raises(InputError, match=r"xray_densenet: no experiment with.*music_2018"):
        chosen(["xray_densenet"], EXPECTED)


def test_rows_that_vary_a_named_experiment_are_run_too() -> None:
    varied = command("experiment=music_composed augment=transpose")
    assert varied in commands(["music_composed"], CONF, README)
    assert varied in commands(["all"], CONF, README)
    assert varied not in commands(["music_melody"], CONF, README)
    cheap = commands(["cheap"], CONF, README)
    assert list(cheap) == [(f"experiment={name}",) for name in chosen(["cheap"], EXPECTED)]


def test_only_the_rows_of_what_was_run_are_replaced() -> None:
    numbers = {command("experiment=music_composed"): {"nll": "1.000 (0 to 2)", "minutes": "3"}}
    found = with_numbers(SAMPLE, numbers)
    row = "| (`experiment=music_composed`, a note) | 1.000 (0 to 2) | - | 3 |"
    assert found == SAMPLE.replace(SAMPLE.splitlines()[4], row)
    assert with_numbers(SAMPLE, {}) == SAMPLE


def test_filling_a_table_with_what_it_says_leaves_the_readme_as_it_is() -> None:
    rows = table_rows(README)
    assert len(rows) == 15, "both tables were found"
    same = {row.command: dict(zip(row.columns, row.cells[1:], strict=True)) for row in rows}
    assert with_numbers(README, same) == README


def test_a_quoted_command_is_the_command() -> None:
    assert table_rows(SAMPLE)[1].command == command("encoding.lookback=[] experiment=music_melody")


def test_cells_are_written_as_the_readme_has_them() -> None:
    row = {"nll": Figure(0.9071, (0.8663, 0.9496)), "counts": Figure(1.0899), "x": Figure(None)}
    cells = Check(("experiment=a",), {}, row, seconds=93.0).cells()
    assert cells == {"nll": "0.907 (0.866 to 0.950)", "counts": "1.090", "x": "-", "minutes": "1.5"}
    assert [minutes_text(60 * m) for m in (0.01, 0.2, 0.97, 1.2, 1.8, 3.6, 10.4)] == [
        "0.1", "0.2", "1", "1", "2", "4", "10",
    ]  # fmt: skip


def test_a_number_that_is_expected_and_was_not_measured_is_no_agreement() -> None:
    expected = {"nll": 0.907, "counts": 1.09, "minutes": 1.5}
    whole = {"nll": Figure(0.907), "counts": Figure(1.09)}
    assert Check(("experiment=a",), expected, whole).agrees
    assert not Check(("experiment=a",), expected, {"nll": whole["nll"]}).agrees
    assert not Check(("experiment=a",), expected, error="1 failed").agrees


def test_pooled_folds_of_radiographs_have_the_mean_of_their_metadata() -> None:
    folds = [{"model": 0.5, "metadata only": value} for value in (0.7, 0.8, None)]
    pooled = {"auroc": 0.6, "auroc_interval": [0.5, 0.7]}
    row = results_row(pooled | {"folds": dict(enumerate(folds))})
    assert row["metadata"].value == pytest.approx(0.75)
    assert row["auroc"].text() == "0.600 (0.500 to 0.700)"
    assert set(row) == {"auroc", "metadata"}


def test_an_experiment_is_run_once_and_held_to_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = ["data.source.songs=8", "net.hidden=8", "~callbacks.songs", f"data_dir={tmp_path}"]
    readme = tmp_path / "README.md"
    table = "| `python scripts/train.py` | NLL | counts | minutes |\n|---|---|---|---|\n"
    readme.write_text(f"{table}| `experiment=music_untrained` | - | - | - |\n")
    call = {"folder": tmp_path / "runs", "overrides": options}
    text, agree = check_experiments(["music_untrained"], write=readme, **call)
    (results,) = (tmp_path / "runs").glob("*/job/results.json")
    measured = json.loads(results.read_text())["test"]
    nll, counts = (measured[name]["nll"] for name in ("model", "interpolated counts"))
    (row,) = table_rows(readme.read_text())
    assert row.cells[1:3] == (f"{nll:.3f}", f"{counts:.3f}")
    assert 0 < float(row.cells[3]) < 10, "minutes, on a machine that may be busy"
    assert "".join(readme.read_text().splitlines()[2]) in text
    assert not agree, "8 songs are not the 160 of which the number is expected"
    before = results.stat().st_mtime_ns
    assert check_experiments(["music_untrained"], write=readme, **call) == (text, agree)
    assert results.stat().st_mtime_ns == before
    config = results.parent / "config.yaml"
    config.write_text(config.read_text().replace("seed: 0", "seed: 1", 1))
    refused, agree = check_experiments(["music_untrained"], write=readme, **call)
    assert "ended with status 2" in refused
    assert not agree
    assert table_rows(readme.read_text()) == [row], "what was not measured keeps its row"
