"""scripts/compare.py as it is typed: exit codes, what is printed, what is written."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from dlcourse.runs import Run
from tests.comparison.run_folders import leave_grid, leave_run, leave_sweep

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "compare.py"
SGD, ADAM = ("optimizer=sgd",), ("optimizer=adam",)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the script; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        return (int(caught.value.code or 0), *capsys.readouterr())

    return run


def mixed_sweep(folder: Path) -> Path:
    """A job in every state."""
    jobs = {name: [f"net.hidden={i}"] for i, name in enumerate(("good", "bad", "cut", "new"))}
    leave_run(folder / "good", nll=1.25, seconds=61.4)
    leave_run(folder / "bad", state="failed", error="first line\nthe loss is nan", seconds=2)
    leave_run(folder / "cut", state=None)
    return leave_sweep(folder, jobs, swept=["net.hidden"])


def test_status_lists_every_job_with_its_state_and_the_errors_last_line(
    tmp_path: Path, typed
) -> None:
    code, out, _ = typed(mixed_sweep(tmp_path / "sweep"), "--status")
    lines = out.splitlines()
    assert lines[0].endswith("/sweep: 1 done, 1 failed, 1 missing, 1 stopped")
    assert [line.split(maxsplit=4) for line in lines[2:]] == [
        ["job", "state", "value", "seconds", "error"],
        ["good", "done", "2.2500", "61"],
        ["bad", "failed", "2", "the", "loss is nan"],
        ["cut", "stopped"],
        ["new", "missing"],
    ]
    assert len({line.find(word) for line, word in zip(lines[2:], _STATES, strict=True)}) == 1
    assert code == 1, "something failed"


_STATES = ("state", "done", "failed", "stopped", "missing")


def test_status_exit_codes_tell_done_from_unfinished(tmp_path: Path, typed) -> None:
    done = leave_run(tmp_path / "done", nll=1.0)
    pruned = leave_run(tmp_path / "pruned", state="pruned")
    cut = leave_run(tmp_path / "cut", state=None)
    bad = leave_run(tmp_path / "bad", state="failed")
    assert typed("--status", done, pruned)[0] == 0
    assert typed("--status", done, cut)[0] == 3
    assert typed("--status", done, cut, bad)[0] == 1
    assert typed("--status", leave_sweep(tmp_path / "s", {"a": ["x=1"]}, swept=["x"]))[0] == 3
    with Run(done).claimed():
        code, out, _ = typed("--status", done)
    assert (code, "running" in out) == (3, True)


def test_status_of_a_damaged_run_says_so(tmp_path: Path, typed) -> None:
    (leave_run(tmp_path / "a", nll=1.0) / "outcome.json").write_text("{")
    leave_run(tmp_path / "b", nll=1.0)
    code, out, _ = typed("--status", tmp_path)
    assert code == 1
    assert "1 done, 1 failed" in out
    assert "outcome.json: damaged" in out


def test_a_report_is_written_into_the_sweep_and_its_verdict_printed(tmp_path: Path, typed) -> None:
    folder = leave_grid(tmp_path / "sweep", {SGD: [2.0, 2.1, 2.2], ADAM: [1.0, 1.11, 1.2]})
    code, out, _ = typed(folder)
    assert code == 0
    assert out.startswith("adam has the lowest NLL: 1.103 (sd 0.100, 3 seeds); sgd is ")
    for kind in ("html", "md", "csv"):
        assert (folder / f"report.{kind}").is_file()
        assert str(folder / f"report.{kind}") in out
    assert "bigram" in out
    assert out.splitlines()[0] in (folder / "report.html").read_text(encoding="utf-8")


def test_a_report_goes_where_it_is_told_and_reads_the_sweep_anew(tmp_path: Path, typed) -> None:
    folder = leave_grid(tmp_path / "sweep", {SGD: [2.0]})
    assert typed(folder, "--output", tmp_path / "new" / "place")[0] == 0
    assert sorted(p.name for p in (tmp_path / "new" / "place").iterdir()) == [
        "report.csv",
        "report.html",
        "report.md",
    ]
    assert not (folder / "report.csv").exists()
    assert typed(folder)[0] == typed(folder)[0] == 0, "a report in a sweep is no run"


def test_a_wrong_folder_is_one_line_and_exit_code_2(tmp_path: Path, typed) -> None:
    for arguments in ([tmp_path / "gone"], [tmp_path], [tmp_path, "--status"]):
        code, out, error = typed(*arguments)
        assert (code, out) == (2, "")
        assert error.startswith(f"error: {arguments[0]}: ")
        assert error.count("\n") == 1


def test_status_imports_neither_torch_nor_matplotlib_and_help_tells_the_codes(
    tmp_path: Path,
) -> None:
    folder = mixed_sweep(tmp_path / "sweep")
    code = (
        f"import runpy, sys; sys.argv = ['compare.py', {str(folder)!r}, '--status']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 1\n"
        "heavy = {'torch', 'lightning', 'matplotlib', 'hydra', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    told = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True)
    assert "failed, 3 when" in " ".join(told.stdout.split())
