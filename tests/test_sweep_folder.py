"""What became of every job of a sweep, told from its folder alone."""

import json
from pathlib import Path

import pytest

from dlcourse.errors import InputError
from dlcourse.runs import DONE, FAILED, MISSING, PRUNED, RUNNING, STOPPED, Run
from dlcourse.sweep_folder import PLAN, open_sweep, plan_sweep, summary


def leave(folder: Path, outcome: dict | None = None, *, results: bool = False) -> Run:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text("folder: x\n")
    if outcome is not None:
        (folder / "outcome.json").write_text(json.dumps(outcome))
    if results:
        (folder / "results.json").write_text("{}")
    return Run(folder)


def test_every_state_is_told_from_the_folder(tmp_path: Path) -> None:
    names = ["killed", "done", "older", "failed", "pruned", "running", "missing"]
    plan_sweep(
        tmp_path, {n: [f"seed={i}"] for i, n in enumerate(names)}, swept=["seed"], command=[]
    )
    leave(tmp_path / "killed")
    leave(tmp_path / "done", {"state": DONE, "value": 1.0}, results=True)
    leave(tmp_path / "older", results=True)
    leave(tmp_path / "failed", {"state": FAILED, "error": "the loss is nan"})
    leave(tmp_path / "pruned", {"state": PRUNED, "error": None})
    sweep = open_sweep(tmp_path)
    with leave(tmp_path / "running").claimed():
        states = [job.state for job in sweep.jobs]
        told = summary(sweep.jobs)
    assert states == [STOPPED, DONE, DONE, FAILED, PRUNED, RUNNING, MISSING]
    assert told.splitlines() == [
        "2 done, 1 failed, 1 missing, 1 pruned, 1 running, 1 stopped",
        "  failed: the loss is nan",
    ]
    assert Run(tmp_path / "running").state == STOPPED
    assert [job.overrides for job in sweep.jobs] == [[f"seed={i}"] for i in range(7)]


def test_a_damaged_folder_is_a_failed_job_among_the_others(tmp_path: Path) -> None:
    plan_sweep(tmp_path, {"a": [], "b": []}, swept=[], command=[])
    leave(tmp_path / "a", {"state": DONE}, results=True)
    run = leave(tmp_path / "b", {}, results=True)
    (run.folder / "outcome.json").write_text('{"state": "do')
    damaged, sound = open_sweep(tmp_path).jobs[::-1]
    assert (sound.state, damaged.state) == (DONE, FAILED)
    assert "outcome.json: damaged" in damaged.error
    for name, read in (("overrides", "overrides"), ("hydra", "choices"), ("config", "config")):
        (run.folder / ".hydra" / f"{name}.yaml").write_text("a: [")
        with pytest.raises(InputError, match=f"damaged {name}"):
            getattr(run, read)


def test_a_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    run = leave(tmp_path / "run")
    with run.claimed(), pytest.raises(InputError, match="another process is working in it"), (
        Run(run.folder).claimed()
    ):  # fmt: skip
        pass
    with Run(run.folder).claimed():
        pass


def test_a_plan_grows_and_forgets_nothing(tmp_path: Path) -> None:
    plan_sweep(tmp_path, {"a": ["seed=0"], "b": ["seed=1"]}, swept=["seed"], command=["x"])
    sweep = plan_sweep(tmp_path, {"b": ["seed=1"], "c": ["seed=2"]}, swept=["seed"], command=["y"])
    assert list(sweep.plan) == ["a", "b", "c"]
    assert sweep == open_sweep(tmp_path)


def test_what_is_no_sweep_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_sweep(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no sweep \(no sweep.json\)"):
        open_sweep(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{", "{}", "[]", '{"command": [], "swept": [], "jobs": []}',
        '{"command": [], "swept": [], "jobs": {"a": null}}',
        '{"command": [], "swept": "seed", "jobs": {}}',
        '{"command": [], "swept": [], "jobs": {"../a": []}}',
        '{"command": [], "swept": [], "jobs": {"..": []}}',
    ],
)  # fmt: skip
def test_a_damaged_plan_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(InputError, match=r"sweep.json: damaged.*makes it anew") as error:
        open_sweep(tmp_path)
    assert "\n" not in str(error.value)
