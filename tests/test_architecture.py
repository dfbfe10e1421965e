"""The floors of the house: who may import whom, and how long a file may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dlcourse"
FILES = sorted(PACKAGE.rglob("*.py"))
TOP = {"training", "generating", "explaining", "sweeps", "tuning", "reproducing", "dashboard"}
WINGS = {"music", "xray"}
LESSONS = {"exercises.lab1": {"music"}, "exercises.lab2": {"xray"}}  # each knows its lab's wing
# The thin rim that knows Lightning; everything else is plain torch and numpy.
RIM = {"training", "task", "data", "callbacks", "loggers", "live", "search.pruning"}
RIM |= {"devices", "child_processes", "quiet", "stopping"}
RIM |= {f"{wing}.{name}" for wing in WINGS for name in ("callbacks", "datamodule", "predictor")}
RIM |= {"xray.detector", "music.benchmark", "xray.benchmark"}


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__").removesuffix("__init__")


def imports(path: Path) -> set[str]:
    """Everything a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def ours(path: Path) -> set[str]:
    """The modules of this package that a file imports, without the package's name."""
    return {
        name.removeprefix("dlcourse.") for name in imports(path) if name.startswith("dlcourse.")
    }


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_arrows_point_down(path: Path) -> None:
    name = module_name(path)
    wing = name.split(".")[0] if name.split(".")[0] in WINGS else None
    for other in ours(path):
        first = other.split(".")[0]
        if wing:
            assert first not in WINGS - {wing}, "the wings do not know each other"
        if name not in TOP:
            assert first not in TOP, "only the top floor may know training"
        if wing is None and name not in TOP:
            lesson = ".".join(name.split(".")[:2])
            known = LESSONS.get(lesson, set())
            assert first not in WINGS - known, "what both wings share has no lab words in it"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_the_rim_knows_lightning(path: Path) -> None:
    if module_name(path) not in RIM:
        assert not [
            n for n in imports(path) if n.split(".")[0] in ("lightning", "pytorch_lightning")
        ]


def test_only_training_instantiates() -> None:
    users = {module_name(p) for p in FILES if "hydra.utils.instantiate" in imports(p)}
    assert users == {"training"}


def test_only_one_module_knows_midi_libraries() -> None:
    libraries = {"symusic", "pretty_midi", "mido"}
    users = {module_name(p) for p in FILES if {n.split(".")[0] for n in imports(p)} & libraries}
    assert users - {"music.rivals"} == {"music.midi"}


def test_files_and_functions_stay_short() -> None:
    for path in [*FILES, *(ROOT / "scripts").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        limit = 60 if path.parent.name == "scripts" else 250
        assert text.count("\n") <= limit, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.end_lineno - node.lineno <= 50, f"{path}: {node.name}"


def test_no_room_without_a_name() -> None:
    assert not {path.stem for path in FILES} & {"utils", "helpers", "common", "misc"}


def test_the_command_line_does_not_import_torch_before_it_has_to() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.argv = ['train.py', '--cfg', 'job'];"
        "from dlcourse.cli import run_app; from dlcourse.training import train;"
        "import dlcourse.generating, dlcourse.explaining; run_app(train, config_name='train');"
        "assert not {'torch', 'lightning', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_packaging_is_in_setup_cfg_alone() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(settings) == {"build-system", "tool"}
    assert set(settings["tool"]) <= {"ruff"}
