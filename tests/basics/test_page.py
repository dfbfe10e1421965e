"""The page of part 1: in order, whole, with the code that ran; and options that cannot be."""

import json
import math
import re
from html import unescape
from inspect import getsource
from pathlib import Path
from urllib.parse import unquote

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from dlcourse.basics import compiling, differentiation, dynamic, fitting, graphs, models
from dlcourse.basics.telling import tell
from dlcourse.cli import conf_path
from dlcourse.errors import InputError


def config(output: Path, *options: str) -> DictConfig:
    with initialize_config_dir(conf_path(), version_base="1.3"):
        return compose("basics", ["backend=eager", f"output={output}", *options])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tell(config(tmp_path_factory.mktemp("basics") / "run", "steps=50"))


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_values_are_those_of_the_lab(folder: Path) -> None:
    values = json.loads((folder / "values.json").read_text())
    assert values["e"] == 18
    assert values["perceptron"] == pytest.approx(0.59868765, abs=1e-7)
    assert values["derivatives"] == [19, 8, 2]
    assert values["collatz"] == [12, 6, 3, 10, 5, 16, 8, 4, 2, 1]
    assert set(values["differences"].values()) == {0}
    assert values["after"][0] < values["baseline"][0]


def test_chapters_stand_in_order_with_the_code_that_ran(page: str) -> None:
    numbers = re.findall(r"<h2>(\d)\. ", page)
    assert numbers == ["1", "2", "3", "4", "5", "6"]
    ran = (
        models.Expression, models.Perceptron, graphs.captured, compiling.timed, differentiation.f,
        differentiation.derivatives, dynamic.Collatz, dynamic.CollatzLoop, fitting.fit,
    )  # fmt: skip
    for one in ran:
        assert getsource(one).rstrip() in unescape(page), one


def test_every_picture_is_there_described_and_none_is_left_over(folder: Path, page: str) -> None:
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert {unquote(file) for file, _ in pictures} | {"index.html", "values.json"} == {
        path.name for path in folder.iterdir()
    }
    assert all(len(description) > 10 for _, description in pictures)


def test_the_page_shows_both_modes_and_both_times(page: str) -> None:
    rows = re.findall(r"<tr><td>(e of|perceptron of).*?</tr>", page)
    assert len(rows) == 6
    assert "first call, ms" in page
    assert page.count("torch.compile, eager</td>") == 3


def test_a_missing_compiler_is_one_notice_and_the_page_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compiling.torch.compile

    def no_cxx(model: object, *, backend: object, **options: object) -> object:
        if backend == "inductor":
            raise RuntimeError("No working C++ compiler found\nand more")
        return real(model, backend=backend, **options)

    monkeypatch.setattr(compiling.torch, "compile", no_cxx)
    folder = tell(config(tmp_path / "run", "backend=inductor", "steps=1"))
    page = (folder / "index.html").read_text(encoding="utf-8")
    (notice,) = re.findall(r'class="notice" role="note">(.*?)</p>', page)
    assert notice == (
        "backend inductor does not work here: RuntimeError: No working C++ compiler found"
    )
    assert page.count("torch.compile, aot_eager</td>") == 3
    assert "<h2>6. " in page


def test_the_largest_rate_that_is_allowed_still_gives_numbers(tmp_path: Path) -> None:
    options = ["rate=1000", "backend=null", "points=4"]
    values = json.loads((tell(config(tmp_path / "run", *options)) / "values.json").read_text())
    assert all(map(math.isfinite, [*values["after"], *values["learned"]]))
    assert "differences" not in values


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("steps=0", "steps=0: a whole number, at least 1"),
        ("points=3", "points=3: a whole number, at least 4"),
        ("seed=true", "seed=True: a whole number"),
        ("threads=many", "threads=many: a whole number"),
        ("rate=0", "rate=0: a number above 0"),
        ("rate=fast", "rate=fast: a number"),
        ("rate=true", "rate=True: a number"),
        ("rate=2000", "rate=2000: a number above 0, at most 1000"),
        ("backend=tvm", "backend=tvm: choose one of inductor, aot_eager, eager or null"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    tmp_path: Path, option: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        tell(config(tmp_path / "run", option))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
