"""The doctor's findings follow from facts that are handed in; these, from folders and processes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dlcourse.doctor.diagnosis import diagnose
from dlcourse.doctor.findings import NOTE, OK, PROBLEM, Finding, as_json, as_text, exit_code
from dlcourse.doctor.machine_facts import (
    DataFolder,
    Facts,
    Place,
    Wandb,
    Wants,
    data_folder,
    machine_facts,
    place,
    torch_facts,
    usable_cores,
    wandb_facts,
    wanted,
)

ROOT = Path(__file__).resolve().parents[1]
GB = 10**9
TORCH = {"version": "2.7.0", "right": True, "threads": 2, "cuda": None, "gpus": [], "mps": False}
HEALTHY = Facts(
    python="3.12.1",
    wants=Wants(
        python=">=3.10, <3.14",
        packages=["torch>=2.6", "lightning>=2.6.4,<2.7", "numpy>=1.26"],
        extras={"dicom": ["pydicom>=3"], "onnx": ["onnx>=1.16", "onnxruntime>=1.18"]},
    ),
    versions={
        "dlcourse": "0.1.0", "torch": "2.7.0+cpu", "lightning": "2.6.5", "numpy": "2.1.0",
        "pydicom": "3.0", "onnx": "1.17", "onnxruntime": "1.20",
        "hydra-ax-sweeper": None, "hydra-rq-launcher": None,
    },
    torch={**TORCH, "vision": None},
    cores=2.0,
    omp_threads=None,
    driver=None,
    places=[Place("runs", writable=True, free=50 * GB)],
    data=[DataFolder("data/a", {".mid": 160}, rows=None, unfinished=[])],
    wandb=Wandb(mode=None, key=False, unsynced=[]),
    revision="0123456789abcdef",
)  # fmt: skip


def versions(**changed: str | None) -> dict[str, dict[str, str | None]]:
    return {
        "versions": {**HEALTHY.versions, **{k.replace("_", "-"): v for k, v in changed.items()}}
    }


def torch(**changed: object) -> dict[str, object]:
    return {"torch": {**HEALTHY.torch, **changed}}


def test_a_healthy_machine_has_nothing_but_ok() -> None:
    findings = diagnose(HEALTHY)
    assert {finding.state for finding in findings} == {OK}
    assert exit_code(findings) == 0
    names = {finding.name for finding in findings}
    assert names == {"python", "packages", "torch", "threads", "gpu", "folder", "data", "wandb"} | {
        "extras",
        "git",
    }


LOW = [Place("runs", writable=True, free=4 * GB)]
FULL = [Place("runs", writable=True, free=GB // 10)]
ILL = [
    # what is different from a healthy machine, state, name, what is said
    ({"python": "3.9.18"}, PROBLEM, "python", "3.9.18, wanted >=3.10, <3.14"),
    ({"python": "3.14.0"}, PROBLEM, "python", "another Python"),
    (versions(numpy=None, torch=None), PROBLEM, "packages", "not installed: torch, numpy"),
    (versions(dlcourse=None), PROBLEM, "packages", "pip install -e ."),
    (versions(torch="2.5.1"), PROBLEM, "torch", "2.5.1, wanted >=2.6"),
    (versions(lightning="2.7.0"), PROBLEM, "lightning", "pip install 'lightning>=2.6.4,<2.7'"),
    (versions(lightning="2.6.2"), PROBLEM, "lightning", "malicious upload (GHSA-w37p-236h-pfx3)"),
    (versions(lightning="2.6.3"), PROBLEM, "lightning", "renew the passwords"),
    (versions(pytorch_lightning="2.6.3"), PROBLEM, "pytorch-lightning", "malicious"),
    (versions(hydra_ax_sweeper="1.2.0"), PROBLEM, "hydra-ax-sweeper", "pip uninstall hydra-ax-sw"),
    (versions(hydra_rq_launcher="1.2.0"), PROBLEM, "hydra-rq-launcher", "breaks every Hydra"),
    ({"torch": {"error": "ImportError: libcudart"}}, PROBLEM, "torch", "ImportError: libcudart"),
    (torch(right=False), PROBLEM, "torch", "computes 2 x 2 wrong"),
    (torch(vision="RuntimeError: nms"), PROBLEM, "torchvision", "RuntimeError: nms"),
    (torch(threads=8), NOTE, "threads", "export OMP_NUM_THREADS=2"),
    ({"cores": 0.5, **torch(threads=2)}, NOTE, "threads", "export OMP_NUM_THREADS=1"),
    ({"driver": "H100, 550"}, NOTE, "gpu", "this torch is for CPUs alone"),
    ({"driver": "H100, 550", **torch(cuda="12.8")}, NOTE, "gpu", "CUDA 12.8, does not see it"),
    ({"places": [Place("runs", False, GB)]}, PROBLEM, "folder", "runs: cannot be written"),
    ({"places": LOW}, NOTE, "folder", "4.0 GB free"),
    ({"places": FULL}, PROBLEM, "folder", "make room"),
    ({"data": [DataFolder("d", {}, None, ["d/x.part"])]}, NOTE, "data", "not finished: d/x.part"),
    ({"wandb": Wandb("online", False, [])}, PROBLEM, "wandb", "wandb login, or unset WANDB_MODE"),
    ({"wandb": Wandb(None, True, ["r/o", "r/p"])}, NOTE, "wandb", "2 offline runs"),
    ({"revision": ""}, NOTE, "git", "git clone"),
]


@pytest.mark.parametrize(("changed", "state", "name", "said"), ILL, ids=[i[3] for i in ILL])
def test_every_illness_is_found_alone_and_has_a_cure(
    changed: dict[str, object], state: str, name: str, said: str
) -> None:
    findings = diagnose(replace(HEALTHY, **changed))
    other = [finding for finding in findings if finding.state != OK]
    assert {finding.name for finding in other} == {name}
    assert any(said in f"{finding.found} {finding.advice}" for finding in other)
    assert all(finding.advice for finding in other)
    assert all(finding.state == state for finding in other)
    assert exit_code(findings) == (state == PROBLEM)


@pytest.mark.parametrize(
    ("changed", "name", "said"),
    [
        (torch(gpus=["H100"], cuda="12.8"), "gpu", "H100"),
        (torch(mps=True), "gpu", "MPS"),
        ({"wandb": Wandb("online", True, [])}, "wandb", "online, logged in"),
        ({"wandb": Wandb(None, False, ["r/o"])}, "wandb", "1 offline runs are not uploaded"),
        ({"changes": 3}, "git", "0123456789, 3 changed files"),
        ({"omp_threads": "1", **torch(threads=1)}, "threads", "(OMP_NUM_THREADS=1)"),
        (versions(onnxruntime=None), "extras", "dicom"),
        ({"data": [DataFolder("d", {".png": 9, ".csv": 1}, 12, [])]}, "data", "CSV has 12 rows"),
    ],
)
def test_what_is_well_is_told(changed: dict[str, object], name: str, said: str) -> None:
    findings = {finding.name: finding for finding in diagnose(replace(HEALTHY, **changed))}
    assert findings[name].state == OK
    assert said in findings[name].found


def test_a_missing_extra_is_named_with_its_line() -> None:
    findings = diagnose(replace(HEALTHY, **versions(onnxruntime=None)))
    (extras,) = [finding for finding in findings if finding.name == "extras"]
    assert "onnx" not in extras.found
    assert "pip install -e '.[onnx]'" in extras.advice


def test_lines_are_aligned_and_coloured_only_when_asked() -> None:
    findings = [Finding(OK, "a", "fine"), Finding(PROBLEM, "longer", "broken", "mend it")]
    plain = as_text(findings, colours=False)
    assert plain.splitlines() == [
        "ok       a       fine",
        "problem  longer  broken",
        "                 mend it",
        "",
        "1 to put right first",
    ]
    coloured = as_text(findings, colours=True)
    assert "\x1b[31mproblem" in coloured
    assert "\x1b" not in plain
    assert as_text(findings[:1], colours=False).endswith("ready to train")
    assert as_json(findings)["ready"] is False
    assert as_json(findings)["findings"][1]["advice"] == "mend it"


def test_requirements_come_from_setup_cfg() -> None:
    wants = wanted(ROOT / "setup.cfg")
    assert any(one.startswith("torch>=") for one in wants.packages)
    assert not any("#" in one for one in wants.packages)
    assert set(wants.extras) >= {"dicom", "timm", "xrv", "onnx", "test"}


def test_a_torch_that_does_not_come_back_is_an_error(tmp_path: Path) -> None:
    def said(code: str) -> dict[str, object]:
        return torch_facts([sys.executable, "-c", code])

    assert said("raise ImportError('libcudart.so.12: no such file')") == {
        "error": "ImportError: libcudart.so.12: no such file"
    }
    assert said("print('noise'); print('{\"right\": true}')") == {"right": True}

    assert said("import sys; sys.exit(3)") == {"error": "no message"}
    assert "error" in torch_facts([str(tmp_path / "absent")])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_torch_that_crashes_is_an_error() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    assert "ended by signal 4" in torch_facts([sys.executable, "-c", code])["error"]


def test_a_containers_quota_counts(tmp_path: Path) -> None:
    whole = usable_cores(tmp_path)
    assert whole >= 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert usable_cores(tmp_path) == whole
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert usable_cores(tmp_path) == 0.5


def test_a_place_is_tried_without_leaving_anything(tmp_path: Path) -> None:
    assert place(tmp_path / "runs" / "deep").writable
    assert place(tmp_path).free > 0
    assert not list(tmp_path.iterdir())


def test_data_is_counted_and_unfinished_downloads_are_named(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("images/a.png", "images/b.png", "archives.tar.gz.part", ".x.12.partial.csv"):
        (tmp_path / name).touch()
    (tmp_path / "index.csv").write_text("image,label\na.png,0\nb.png,1\n")
    found = data_folder(tmp_path)
    assert found.files[".png"] == 2
    assert found.rows == 2
    assert [Path(name).name for name in found.unfinished] == [
        ".x.12.partial.csv",
        "archives.tar.gz.part",
    ]


def test_offline_runs_without_the_mark_of_a_sync_are_counted(tmp_path: Path) -> None:
    for name, file in (("offline-run-1", "run.wandb"), ("offline-run-2", "run.wandb.synced")):
        folder = tmp_path / "sweep" / "job" / "wandb" / name
        folder.mkdir(parents=True)
        (folder / file).touch()
    none = {"NETRC": str(tmp_path / "absent")}
    found = wandb_facts(tmp_path, {"WANDB_MODE": "online", **none})
    assert [Path(path).name for path in found.unsynced] == ["offline-run-1"]
    assert (found.mode, found.key) == ("online", False)


def test_of_a_key_only_its_presence_is_told(tmp_path: Path) -> None:
    login = tmp_path / "netrc"
    login.write_text("machine api.wandb.ai login user password not-to-be-told\n")
    for environment in ({"NETRC": str(login)}, {"WANDB_API_KEY": "not-to-be-told", "NETRC": "-"}):
        facts = replace(HEALTHY, wandb=wandb_facts(tmp_path, environment))
        assert facts.wandb.key
        assert "not-to-be-told" not in json.dumps(as_json(diagnose(facts))) + repr(facts)


def test_the_machine_of_the_tests_can_train_and_the_script_says_so(tmp_path: Path) -> None:
    """The whole way, once: it also holds the ranges of setup.cfg against what is installed."""
    script = str(ROOT / "scripts" / "doctor.py")
    command = [sys.executable, script, "--json", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    said = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert said["ready"]
    assert not list(tmp_path.iterdir())


def test_it_works_where_nothing_is_installed(tmp_path: Path) -> None:
    """-I -S hides every installed package."""
    script = str(ROOT / "scripts" / "doctor.py")
    command = [sys.executable, "-I", "-S", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "torch, torchvision, lightning" in done.stdout
    assert not done.stdout.count("\x1b")


def test_facts_are_gathered_from_the_folders_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "songs").mkdir(parents=True)
    (tmp_path / "data" / "songs" / "a.mid").touch()
    monkeypatch.setattr("dlcourse.doctor.machine_facts.torch_facts", lambda: HEALTHY.torch)
    facts = machine_facts([Path("data")])
    assert [folder.path for folder in facts.data] == ["data/songs"]
    assert [one.path for one in facts.places] == ["runs", "data"]
    assert facts.versions["hydra-core"] is not None
