"""Pages, tables and exported networks that a finished run of the X-ray lab gives."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from dlcourse.cli import conf_path
from dlcourse.errors import InputError
from dlcourse.explaining import explain
from dlcourse.runs import Run
from dlcourse.training import make, rebuild, train
from dlcourse.xray.cam import class_activation_maps
from dlcourse.xray.images import read_image
from dlcourse.xray.predictions import predict
from dlcourse.xray.studies import PNEUMOTHORAX, Study
from tests.composing import QUICK_XRAY, composed, saved

DICOM = Path(__file__).resolve().parents[3] / "shared/data/dicom/siim_pneumothorax.dcm"
QUICK = [
    *QUICK_XRAY,
    "data.source.patients=24",
    "split.val=0.25",
    "split.test=0.25",
    "callbacks.evaluation.atlas=0",
    "~callbacks.curves",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one finding."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    train(saved(composed(folder, *QUICK, quick=False)))
    return folder


@pytest.fixture(scope="module")
def several(run: Path) -> Path:
    """Of three findings."""
    folder = run.parent / "several"
    findings = "task.findings=[Effusion,Pneumothorax,Emphysema]"
    train(saved(composed(folder, *QUICK, findings, quick=False)))
    return folder


@pytest.fixture(scope="module")
def pages(run: Path) -> list[Path]:
    """Of the test split, explained twice; two images each."""
    folders = [run.parent / name for name in ("once", "twice")]
    return [explained(run, f"output={f}", "faithfulness=2", "most=2") for f in folders]


def explained(
    run: Path, *overrides: str, split: str = "test", images: list[str] | None = None
) -> Path:
    """What the command line gives."""
    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("explain", [f"run={run}", "threads=1", f"part={split}", *overrides])
    if images is not None:
        config.images = images
    return explain(config)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as lines:
        return [*csv.DictReader(lines)]


def pictures(run: Path, number: int = 3) -> list[Path]:
    (folder,) = (run.parent / "data").glob("phantoms-*")
    return sorted((folder / "images").iterdir())[:number]


def test_the_page_of_the_test_split_names_the_run_and_shows_its_images(run: Path) -> None:
    page = explained(run, f"output={run.parent / 'all'}")
    text = page.read_text(encoding="utf-8")
    assert str(run) in text
    assert f"explain.py run={run}" in text
    tested = [row["file"] for row in table(run / "studies.csv") if row["split"] == "test"]
    shown = table(page.parent / "predictions.csv")
    assert sorted(row["file"] for row in shown) == tested
    assert all(Path(file).stem in text for file in tested)
    assert len([*page.parent.glob("*-image.png")]) == len(tested)


def test_the_page_begins_with_what_was_most_wrong(run: Path, pages: list[Path]) -> None:
    rows = table(run / "predictions.csv")
    threshold, logit = float(rows[0]["threshold"]), lambda p: np.log(p / (1 - p))
    wrong = [row for row in rows if row["outcome"] in ("FP", "FN")]
    wrong.sort(key=lambda row: -abs(logit(float(row["probability"])) - logit(threshold)))
    assert len(wrong) >= 2
    shown = [row["file"] for row in table(pages[0].parent / "predictions.csv")]
    assert shown == [row["file"] for row in wrong[:2]]
    assert f"the 2 of {len(rows)} images it was most wrong about" in pages[0].read_text()


def test_what_is_said_of_the_test_split_is_what_the_run_said(run: Path, pages: list[Path]) -> None:
    folder = pages[0].parent.parent
    for name in ("evaluation.json", "predictions.csv"):
        assert (folder / name).read_text() == (run / name).read_text()
    for name in ("roc.png", "precision_recall.png", "reliability.png", "results.md"):
        assert (folder / name).is_file()


def test_the_same_run_is_explained_in_the_same_words(pages: list[Path]) -> None:
    once, twice = (page.parent.parent for page in pages)
    names = {path.relative_to(once) for path in once.rglob("*") if path.is_file()}
    assert names == {path.relative_to(twice) for path in twice.rglob("*") if path.is_file()}
    assert len(names) > 10
    same = [name for name in names if (once / name).read_bytes() == (twice / name).read_bytes()]
    # The page says with which command it was made, and that names the output.
    assert {*names} - {*same} <= {Path("atlas/index.html")}


def test_faithfulness_is_finite_and_within_what_is_possible(pages: list[Path]) -> None:
    found = json.loads((pages[0].parent.parent / "faithfulness.json").read_text())
    assert found["images"] == 2
    assert {*found["areas"]} == {
        "deletion", "insertion", "random_deletion", "random_insertion",
    }  # fmt: skip
    assert all(0 <= area["mean"] <= 1 for area in found["areas"].values())
    layers = [row["layers"] for row in found["randomisation"]]
    assert layers == sorted({*layers})
    assert layers[0] == 1
    assert found["randomisation"][0]["down_to"] == "head"
    assert all(-1 <= row["correlation"] <= 1 for row in found["randomisation"])
    assert all(np.isfinite(row["spread"]) for row in found["randomisation"])


@pytest.mark.parametrize("split", ["train", "val"])
def test_another_split_is_evaluated_on_its_own_images(run: Path, split: str) -> None:
    folder = run.parent / split
    explained(run, "most=1", f"output={folder}", split=split)
    own = [row["file"] for row in table(run / "studies.csv") if row["split"] == split]
    assert [row["file"] for row in table(folder / "predictions.csv")] == own
    assert json.loads((folder / "evaluation.json").read_text())["images"] == len(own)


def test_an_unknown_split_is_one_line(run: Path) -> None:
    with pytest.raises(InputError, match=r"^part=tests: choose one of train, val, test$"):
        explained(run, split="tests")


def test_without_an_output_pages_lie_in_the_run_folder(run: Path) -> None:
    (picture,) = pictures(run, 1)
    page = explained(run, f"images={picture}")
    assert page.parent.parent == run / "explained"


def test_any_files_get_the_probabilities_that_predict_gives(run: Path) -> None:
    files = [*pictures(run), *([DICOM] if DICOM.is_file() else [])]
    names = ",".join(map(str, files))
    page = explained(run, f"images=[{names}]", f"output={run.parent / 'files'}")
    module = rebuild(Run(run), checkpoint="best")
    images = np.stack([read_image(file, 32) for file in files])
    studies = [Study(str(file), file, "") for file in files]
    seen = predict(module.net, studies, lambda part: images[part], findings=(PNEUMOTHORAX,))
    rows = table(page.parent / "scores.csv")
    assert [row["file"] for row in rows] == [str(file) for file in files]
    scores = [float(row["probability"]) for row in rows]
    assert np.allclose(scores, seen.probabilities[:, 0], atol=1e-9)
    assert len({*scores}) == len(scores)
    with torch.no_grad():
        alone = [module(torch.from_numpy(image)[None, None]).sigmoid().item() for image in images]
    assert np.allclose(scores, alone, atol=1e-5)
    assert all(row["label"] == "" for row in rows)
    assert all(file.name in page.read_text() for file in files)


def test_names_of_files_are_shown_and_not_obeyed(run: Path, tmp_path: Path) -> None:
    names = ["<img src=x onerror=alert(1)>.png", "a\"b'c&lt;.png", "two\nlines.png", "a,b;c.png"]
    files = [str(tmp_path / name) for name in names]
    for file in files:
        shutil.copy(pictures(run, 1)[0], file)
    page = explained(run, f"output={tmp_path / 'page'}", images=files)
    text = page.read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in text
    assert [row["file"] for row in table(page.parent / "scores.csv")] == files


def test_files_are_judged_by_the_threshold_of_the_same_finding_only(
    run: Path, several: Path
) -> None:
    names = ",".join(map(str, pictures(run)))
    thresholds = {}
    for finding in (PNEUMOTHORAX, "Effusion"):
        folder = run.parent / finding
        explained(several, f"images=[{names}]", f"finding={finding}", f"output={folder}")
        (thresholds[finding],) = {row["threshold"] for row in table(folder / "predictions.csv")}
    points = json.loads((several / "evaluation.json").read_text())["operating_points"]
    youden = next(p["threshold"] for p in points if p["rule"] == "youden")
    assert thresholds == {PNEUMOTHORAX: str(youden), "Effusion": "0.5"}


def test_a_run_of_several_findings_can_be_asked_for_each(several: Path) -> None:
    folder = several.parent / "emphysema"
    page = explained(several, "finding=Emphysema", f"output={folder}")
    assert (folder / "predictions.csv").read_text() == (several / "predictions.csv").read_text()
    truths, scores = (
        {row["file"]: row[f"{kind} Emphysema"] for row in table(several / "predictions.csv")}
        for kind in ("label", "probability")
    )
    shown = table(page.parent / "predictions.csv")
    assert {row["file"]: row["probability"] for row in shown} == scores
    assert {row["file"]: row["label"] for row in shown} == truths
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["finding"] == "Emphysema"
    assert evaluation["localisation"] is None  # the masks are of another finding
    first = json.loads((several / "evaluation.json").read_text())
    assert first["finding"] == PNEUMOTHORAX
    same = evaluation["test"]["model"]["auroc"]
    assert same == first["findings"]["findings"]["Emphysema"]["auroc"]
    assert same != first["test"]["model"]["auroc"]


def test_an_exported_network_says_the_same(run: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = run.parent / "model.onnx"
    assert explained(run, f"export={path}") == path
    data = make(Run(run).config.data)
    data.setup()
    images = data.images("test")
    logits, maps = onnxruntime.InferenceSession(path).run(None, {"images": images[:, None]})
    module = rebuild(Run(run), checkpoint="best")
    expected = class_activation_maps(module.net, torch.from_numpy(images)[:, None])
    assert np.allclose(logits, expected[0].numpy(), atol=1e-5)
    assert np.allclose(maps, expected[1].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["finding=Effusion"], "finding=Effusion: this network knows Pneumothorax"),
        (["finding=Effusion", "images=[PICTURE]"], "this network knows Pneumothorax"),
        (["images=[PICTURE,absent.png]"], r"absent\.png: cannot be read \(No such file"),
        (["images=[]"], r"images=\[\]: name at least one file"),
        (["images=[PICTURE]", "faithfulness=2"], "faithfulness=2 does nothing beside images="),
        (["images=[PICTURE]", "part=val"], "part=val does nothing beside images=; drop one"),
        (["images=[PICTURE]", "export=a.onnx"], "does nothing beside export="),
        (["faithfulness=2", "export=a.onnx"], "faithfulness=2 does nothing beside export="),
        (["checkpoint=first"], "checkpoint=first: choose best or last"),
        (["export=model.txt"], "choose .pt2 or .onnx"),
        (["most=0"], "most=0: at least 1 image"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    run: Path, options: list[str], message: str
) -> None:
    never = run.parent / "never"
    options = [option.replace("PICTURE", str(pictures(run, 1)[0])) for option in options]
    with pytest.raises(InputError, match=message) as error:
        explained(run, f"output={never}", *options)
    assert "\n" not in str(error.value)
    assert not never.exists()


def test_a_run_of_the_music_lab_is_refused(tmp_path: Path) -> None:
    config = OmegaConf.create({"task": {"_target_": "dlcourse.music.predictor.NotePredictor"}})
    saved(OmegaConf.merge(config, {"folder": str(tmp_path / "songs")}))
    with pytest.raises(InputError, match=r"a run of the music lab; scripts/generate\.py") as error:
        explained(tmp_path / "songs")
    assert "\n" not in str(error.value)


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run folder"):
        explained(tmp_path)
