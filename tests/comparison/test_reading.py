"""Run folders become records; what varies is found, what is damaged is said."""

import json
from pathlib import Path

import pytest

from dlcourse.comparison.options import varying_options
from dlcourse.comparison.reading import read_records
from dlcourse.comparison.records import Record
from dlcourse.errors import InputError
from dlcourse.runs import Run
from tests.comparison.run_folders import leave_grid, leave_results, leave_run, leave_sweep

SGD, ADAM = ("optimizer=sgd",), ("optimizer=adam",)


def by_name(*folders: Path) -> dict[str, Record]:
    return {record.name: record for record in read_records(folders).records}


def test_a_record_has_choices_and_values_as_text_and_no_places(tmp_path: Path) -> None:
    leave_run(tmp_path / "run", "optimizer=sgd", "optimizer.lr=1e-3", "seed=7", nll=1.0)
    (record,) = read_records([tmp_path / "run"]).records
    assert record.options["optimizer"] == "sgd"
    assert record.options["optimizer.lr"] == "0.001"
    assert record.options["seed"] == "7"
    leave_run(tmp_path / "drawn", "optimizer.lr=0.00038093736875336305", nll=1.0)
    assert by_name(tmp_path / "drawn")["drawn"].options["optimizer.lr"] == "0.000380937"
    assert record.options["net.sizes"] == "[]"
    lost = {"folder", "data_dir", "resume", "net.seed", "logger.csv.folder", "hydra/launcher"}
    assert not lost & record.options.keys()


def test_a_record_has_the_test_numbers_intervals_and_baselines(tmp_path: Path) -> None:
    folder = leave_run(tmp_path / "run")
    rows = {"nll": 0.5, "nll_interval": [0.4, 0.7], "nll_over_model": 0.0, "top1": 1.0}
    more = {
        "nll_over_model_interval": [0.0, 0.0],
        "top1_interval": None,
        "change": None,
        "x": float("inf"),
    }
    baselines = {"bigram": {"nll": 2.0, "nll_over_model": 1.5, "frames": 12}}
    leave_results(folder, rows | more | {"frames": 12}, baselines=baselines)
    (record,) = read_records([folder]).records
    assert record.metrics == {"nll": 0.5, "top1": 1.0}
    assert record.intervals == {"nll": (0.4, 0.7)}
    assert record.baselines == {"bigram": {"nll": 2.0}}
    assert record.tested == {"unit": "nats per 16th", "scored": "every frame", "frames": "12"}
    assert (record.state, record.seconds, record.error) == ("done", 10.0, None)


def test_curves_times_and_media_are_read_where_they_are(tmp_path: Path) -> None:
    folder = leave_run(tmp_path / "run", nll=1.0)
    (folder / "metrics.csv").write_text("step,train/loss,val/nll\n5,2.5,\n10,,1.5\n")
    (folder / "times.csv").write_text("step,seconds\n5,0.25\n")
    (folder / "gallery.json").write_text('[{"kind": "image", "key": "patient 3"}]')
    (folder / "provenance.json").write_text('{"git_revision": "abc"}')
    (record,) = read_records([folder]).records
    assert record.curves == {5: {"train/loss": 2.5}, 10: {"val/nll": 1.5}}
    assert record.times == {5: 0.25}
    assert record.gallery == [{"kind": "image", "key": "patient 3"}]
    assert record.provenance == {"git_revision": "abc"}
    assert record.overlays == {}


def test_what_an_option_file_decides_is_left_out(tmp_path: Path) -> None:
    leave_grid(tmp_path / "sweep", {SGD: [1, 2], ADAM: [3, 4]})
    assert read_records([tmp_path / "sweep"]).varying == ["optimizer"]


def test_a_value_that_was_swept_itself_is_kept_and_the_plan_has_the_order(tmp_path: Path) -> None:
    values = {("optimizer.lr=0.1", *SGD): [1], ("optimizer.lr=0.2", *ADAM): [2]}
    leave_grid(tmp_path / "sweep", values)
    assert read_records([tmp_path / "sweep"]).varying == ["optimizer.lr", "optimizer"]


def test_a_value_that_varies_within_an_option_is_kept(tmp_path: Path) -> None:
    whole = [
        {"optimizer": name, "optimizer.lr": rate}
        for name, rate in (("sgd", "1"), ("adam", "2"), ("adam", "3"))
    ]
    assert varying_options(whole, [], swept=[]) == ["optimizer", "optimizer.lr"]
    assert varying_options(whole[:2], [], swept=[]) == ["optimizer"]


def test_everything_that_an_experiment_decides_is_left_out() -> None:
    whole = [
        {"experiment": "a", "loss": "focal", "steps": "5", "net.hidden": "8"},
        {"experiment": "b", "loss": "brier", "steps": "9", "net.hidden": "8"},
        {"experiment": "b", "loss": "brier", "steps": "9", "net.hidden": "9"},
    ]
    assert varying_options(whole, [], swept=[]) == ["experiment", "net.hidden"]


def test_a_callback_that_was_dropped_is_one_difference_not_three() -> None:
    with_songs = {"callbacks.songs.a": "1", "callbacks.songs.b": "2", "callbacks.songs.c": "3"}
    assert varying_options([with_songs, {}], [], swept=[]) == ["callbacks.songs.a"]


def test_seeds_folds_loggers_and_grids_make_no_setting() -> None:
    first = {"seed": "0", "split.fold": "0", "logger": "csv", "sweep": "none", "steps": "1"}
    other = {"seed": "1", "split.fold": "1", "logger": "wandb", "sweep": "folds", "steps": "1"}
    assert varying_options([first, other], [], swept=["seed", "split.fold"]) == []


def test_run_folders_without_a_plan_keep_what_was_typed(tmp_path: Path) -> None:
    leave_run(tmp_path / "a", "optimizer=sgd", "optimizer.lr=0.1", nll=1.0)
    leave_run(tmp_path / "b", "optimizer=adam", "optimizer.lr=0.2", nll=1.0)
    leave_run(tmp_path / "c", "optimizer=adam", "optimizer.lr=0.2", "seed=1", nll=1.0)
    assert read_records([tmp_path]).varying == ["optimizer", "optimizer.lr"]


def test_sweeps_runs_and_folders_of_runs_may_be_mixed_and_each_counts_once(tmp_path: Path) -> None:
    leave_grid(tmp_path / "x" / "sweep", {SGD: [1, 2]})
    leave_run(tmp_path / "y" / "run", nll=3.0)
    leave_run(tmp_path / "y" / "deep" / "run", nll=4.0)
    reading = read_records([tmp_path / "x" / "sweep", tmp_path / "y", tmp_path / "y" / "run"])
    names = {record.name: record.metrics["nll"] for record in reading.records}
    assert names == {
        "x/sweep/optimizer-sgd_seed-0": 1,
        "x/sweep/optimizer-sgd_seed-1": 2,
        "y/deep/run": 4,
        "y/run": 3,
    }
    assert reading.folder.resolve() == tmp_path.resolve()
    assert read_records([tmp_path / "y" / "run"]).records[0].name == "run"


def test_the_report_of_a_sweep_belongs_into_its_folder(tmp_path: Path) -> None:
    folder = leave_grid(tmp_path / "songs" / "losses", {SGD: [1]})
    reading = read_records([folder])
    assert (reading.title, reading.folder) == ("songs/losses", folder)


def test_a_job_that_never_ran_is_missing_and_stands_with_its_setting(tmp_path: Path) -> None:
    folder = leave_grid(tmp_path / "sweep", {SGD: [1], ADAM: [2]})
    plan = json.loads((folder / "sweep.json").read_text())
    plan["jobs"]["new"] = ["optimizer=sgd", "seed=1"]
    (folder / "sweep.json").write_text(json.dumps(plan))
    reading = read_records([folder])
    new = reading.records[-1]
    assert (new.name, new.state, new.folder, new.metrics) == ("new", "missing", None, {})
    assert (new.options["optimizer"], new.options["seed"]) == ("sgd", "1")
    assert reading.varying == ["optimizer"]


def test_a_plan_of_which_nothing_ran_is_read_too(tmp_path: Path) -> None:
    jobs = {"a": ["loss=focal", "net.hidden=[1,2]"], "b": ["loss=brier", "+net.x='a b'"]}
    leave_sweep(tmp_path / "sweep", jobs, swept=["loss", "net.hidden", "+net.x"])
    reading = read_records([tmp_path / "sweep"])
    assert [record.state for record in reading.records] == ["missing", "missing"]
    assert reading.records[0].options["net.hidden"] == "[1, 2]"
    assert reading.records[1].options["net.x"] == "a b"
    assert reading.varying[0] == "loss"


def test_swept_keys_of_one_node_are_all_kept_before_anything_ran() -> None:
    partial = [{"net.a": a, "net.b": b} for a in "12" for b in "12"]
    assert varying_options([], partial, swept=["net.a", "net.b"]) == ["net.a", "net.b"]


def test_what_is_unknown_of_a_missing_job_is_taken_from_runs_that_agree(tmp_path: Path) -> None:
    leave_run(tmp_path / "a", *SGD, "steps=5", nll=1.0)
    leave_run(tmp_path / "b", *ADAM, "steps=5", nll=1.0)
    leave_run(tmp_path / "c", *ADAM, "steps=6", nll=1.0)
    jobs = {name: [*Run(tmp_path / name).overrides] for name in "abc"}
    jobs |= {"d": [*SGD, "seed=1"], "e": [*ADAM, "seed=1"]}
    leave_sweep(tmp_path, jobs, swept=["optimizer"])
    records = by_name(tmp_path)
    assert (records["d"].options["steps"], records["e"].options["steps"]) == ("5", "?")


def test_the_command_does_the_run_again_alone_and_can_be_pasted(tmp_path: Path) -> None:
    leave_run(tmp_path / "run", "sweep=losses", "loss=focal", "net.sizes=[1, 2]", nll=1.0)
    (record,) = read_records([tmp_path / "run"]).records
    words = "loss=focal 'net.sizes=[1, 2]' sweep=none"
    assert record.command == f"python scripts/train.py {words}"


def test_states_and_errors_are_those_of_the_runs(tmp_path: Path) -> None:
    leave_run(tmp_path / "broke", state="failed", error="loss is nan")
    leave_run(tmp_path / "given up", state="pruned")
    leave_run(tmp_path / "killed", state=None)
    held = leave_run(tmp_path / "held", state=None)
    with Run(held).claimed():
        records = by_name(tmp_path)
    assert {name: record.state for name, record in records.items()} == {
        "broke": "failed",
        "given up": "pruned",
        "killed": "stopped",
        "held": "running",
    }
    assert records["broke"].error == "loss is nan"


@pytest.mark.parametrize(
    ("file", "content", "state"),
    [
        (".hydra/config.yaml", "a: [", "failed"),
        (".hydra/hydra.yaml", "a: [", "failed"),
        (".hydra/overrides.yaml", "a: [", "done"),
        ("outcome.json", "{", "failed"),
        ("outcome.json", "{}", "failed"),
        ("outcome.json", "[]", "failed"),
        ("results.json", '{"test": {"mod', "failed"),
        ("results.json", "[1]", "failed"),
        ("results.json", '{"test": {}}', "failed"),
        ("results.json", '{"test": {"model": 3}}', "failed"),
        ("results.json", "\0\xff", "failed"),
        ("metrics.csv", "step\nx\n", "done"),
        ("metrics.csv", "\0\n1\n", "done"),
        ("times.csv", "step,seconds\n1,\n", "done"),
        ("gallery.json", '{"a": 1}', "done"),
        ("overlays.json", "[", "done"),
        ("provenance.json", "", "done"),
    ],
)
def test_a_damaged_file_costs_its_own_row_something_and_no_other(
    tmp_path: Path, file: str, content: str, state: str
) -> None:
    folder = leave_grid(tmp_path / "sweep", {SGD: [1, 2], ADAM: [3]})
    (folder / "optimizer-sgd_seed-0" / file).write_text(content, encoding="latin-1")
    reading = read_records([folder])
    hurt, *others = reading.records
    assert [(r.state, r.metrics, r.error) for r in others] == [
        ("done", {"nll": 2}, None),
        ("done", {"nll": 3}, None),
    ]
    assert hurt.state == state
    assert (hurt.options["optimizer"], hurt.options["seed"]) == ("sgd", "0")
    assert reading.varying == ["optimizer"]
    if not file.endswith("overrides.yaml"):
        assert hurt.error
        assert "\n" not in hurt.error
    if state == "done":
        assert hurt.metrics == {"nll": 1}


def test_folders_without_runs_are_errors_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds neither a sweep nor a run") as caught:
        read_records([tmp_path / "empty"])
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="gone: no such folder"):
        read_records([tmp_path / "gone"])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: no such folder"):
        read_records([tmp_path / "file"])
