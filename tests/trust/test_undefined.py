"""What cannot be measured is said to be undefined: never 0, 0.5 or 1, nor left out in silence."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from dlcourse.calibration import brier, reliability
from dlcourse.cli import conf_path
from dlcourse.curves import draw_curves
from dlcourse.errors import InputError
from dlcourse.intervals import cluster_bootstrap
from dlcourse.metrics import metric_collection
from dlcourse.music.scoring.baselines import mixture_weights
from dlcourse.music.scoring.class_scores import CLASS_MEASURES, SUMS, score_frames
from dlcourse.music.scoring.results import as_markdown, results_table, summary
from dlcourse.music.scoring.roll_scores import ROLL_MEASURES
from dlcourse.music.scoring.roll_scores import SUMS as ROLL_SUMS
from dlcourse.splits import TEST
from dlcourse.training import build
from dlcourse.xray import evaluation_text, report
from dlcourse.xray.bootstrap import bootstrap_ranking
from dlcourse.xray.callbacks import predict_split
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.detector import PneumothoraxDetector
from dlcourse.xray.evaluation import Scored, evaluate, evaluate_findings
from dlcourse.xray.evaluation_figures import draw_figures
from dlcourse.xray.localisation_report import localisation_report, patient_mean
from dlcourse.xray.metrics import AUROC, AveragePrecision
from dlcourse.xray.model_randomisation import randomisation_check, spearman
from dlcourse.xray.operating import choose_threshold, confusion, share_interval, wilson
from dlcourse.xray.predictions import Predictions
from dlcourse.xray.roc import compute_pr, compute_roc
from dlcourse.xray.studies import PNEUMOTHORAX
from dlcourse.xray.subgroups import auroc_of
from tests.composing import QUICK_XRAY, composed
from tests.reliability import Trials
from tests.xray.scored_samples import scored
from tests.xray.tiny_gap import TinyGap, random_images

METRICS = sorted(Path(conf_path(), "metrics").glob("*.yaml"))
NOBODY, YES, NO = np.zeros(0), np.ones(6, bool), np.zeros(6, bool)
SCORES = np.linspace(0.1, 0.9, 6)
SIX = list("aabbcc")  # patients
NO_FRAMES = dict.fromkeys(SUMS, 0.0)


def undefined(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


# Every score of one thing, where it has nothing to say.
NOTHING_TO_SAY: dict[str, Callable[[], Any]] = {
    "ROC of nobody": lambda: compute_roc(NOBODY, NOBODY)[2],
    "ROC without a negative": lambda: compute_roc(YES, SCORES)[2],
    "ROC without a positive": lambda: compute_roc(NO, SCORES)[2],
    "precision and recall of nobody": lambda: compute_pr(NOBODY, NOBODY)[2],
    "precision and recall without a positive": lambda: compute_pr(NO, SCORES)[2],
    "bootstrap without a positive": lambda: bootstrap_ranking(NO, SCORES, SIX),
    "bootstrap with one positive patient": lambda: bootstrap_ranking(SCORES > 0.7, SCORES, SIX),
    "bootstrap of one patient": lambda: bootstrap_ranking(SCORES > 0.5, SCORES, ["a"] * 6),
    "threshold without a negative": lambda: choose_threshold(YES, SCORES, "youden"),
    "threshold without a positive": lambda: choose_threshold(NO, SCORES, "sensitivity=0.90"),
    "sensitivity without a positive": lambda: confusion(NO, SCORES, 0.5)["sensitivity"],
    "specificity without a negative": lambda: confusion(YES, SCORES, 0.5)["specificity"],
    "PPV where nothing is called": lambda: confusion(YES, SCORES, 2.0)["ppv"],
    "NPV where all is called": lambda: confusion(YES, SCORES, 0.0)["npv"],
    "PPV's interval where nothing is called": lambda: confusion(YES, SCORES, 2)["ppv_interval"],
    "interval of a share of one patient": lambda: share_interval(YES, np.array(["a"] * 6)),
    "Wilson's interval of nothing": lambda: wilson(0, 0),
    "AUROC of a group without positives": lambda: auroc_of(NO, SCORES, scored(3).studies)["auroc"],
    "calibration error of nobody": lambda: reliability(NOBODY, NOBODY).ece,
    "Brier score of nobody": lambda: brier(NOBODY, NOBODY),
    "interval of one song": lambda: cluster_bootstrap(np.ones(1), np.ones(1)),
    "interval of no song": lambda: cluster_bootstrap(NOBODY, NOBODY),
    "interval where one song alone counts": lambda: cluster_bootstrap(np.eye(3)[0], np.eye(3)[0]),
    "interval of a mean of one patient": lambda: patient_mean([1.0, 0.0], ["a", "a"])["interval"],
    "rank correlation with a flat map": lambda: spearman(np.ones(9), np.arange(9.0)),
    "accuracy at changes without a change": lambda: CLASS_MEASURES.figures(
        NO_FRAMES | {"frames": 1.0}
    )["change"],
    "F1 without a sounding key": lambda: ROLL_MEASURES.figures(
        dict.fromkeys(ROLL_SUMS, 0.0) | {"frames": 1.0}
    )["f1"],
    "F1 of changes without a change": lambda: ROLL_MEASURES.figures(
        dict.fromkeys(ROLL_SUMS, 0.0) | {"frames": 1.0}
    )["change_f1"],
    "perplexity beyond all doubles": lambda: CLASS_MEASURES.figures(
        NO_FRAMES | {"frames": 1.0, "nll": 1e4}
    )["perplexity"],
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("score", NOTHING_TO_SAY.values(), ids=NOTHING_TO_SAY)
def test_a_score_with_nothing_to_say_is_undefined(score: Callable[[], Any], trials: Trials) -> None:
    trials("scores of nothing, of one class, of one patient or song", usual=1, nightly=1)
    assert undefined(score())


def nothing(size: int) -> dict[str, Tensor]:
    """What a task gives to metrics of a batch in which nothing is scored."""
    empty, none = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.float64)
    mask = torch.zeros(0, dtype=torch.bool)
    keys = torch.zeros(0, 5, dtype=torch.int8)
    numbers = {"targets": empty, "frame": empty, "song": empty, "item": empty, "nats": none}
    masks = {"changes": mask, "first": mask}
    p = torch.zeros(0, size, dtype=torch.float64)
    return numbers | masks | {"probabilities": p, "frames": keys, "previous": keys}


@pytest.mark.filterwarnings("ignore:The ``compute`` method")  # before any update, on purpose
@pytest.mark.parametrize("path", METRICS, ids=lambda path: path.stem)
def test_every_metric_of_the_config_is_undefined_without_a_target(path: Path) -> None:
    made = metric_collection(instantiate(OmegaConf.load(path), _convert_="all"), 4)
    assert all(math.isnan(value) for value in made.compute().values())
    made.reset()
    for _ in range(2):
        made.update(**nothing(4))
    assert all(math.isnan(value) for value in made.compute().values())


@pytest.mark.filterwarnings("ignore:The ``compute`` method")  # before any update, on purpose
@pytest.mark.parametrize("metric", [AUROC, AveragePrecision])
def test_a_ranking_is_undefined_with_one_class_and_that_of_chance_where_all_scores_are_tied(
    metric: type[AUROC] | type[AveragePrecision],
) -> None:
    tied = torch.full((6, 2), 0.5, dtype=torch.float64)
    for truths, expected in (([0] * 6, math.nan), ([1] * 6, math.nan), ([0, 1, 1, 1, 1, 1], None)):
        measured = metric(1)
        measured.update(tied, torch.tensor(truths))
        chance = 0.5 if metric is AUROC else 5 / 6
        value = chance if expected is None else expected
        assert measured.compute().item() == pytest.approx(value, nan_ok=True)
    assert math.isnan(metric(3).compute())


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document, with where it stands."""
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in inner:
        if isinstance(value, (dict, list, tuple)):
            yield from leaves(value, f"{path}/{key}")
        else:
            yield f"{path}/{key}", value


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_a_test_of_one_class_has_no_ranking_anywhere_and_says_why(
    prevalence: float, tmp_path: Path
) -> None:
    test, other = scored(12, prevalence=prevalence), scored(12, seed=1)
    test = replace(test, studies=[replace(s, adjudicated={}) for s in test.studies])
    found = evaluate(test, other, other.studies, finding=PNEUMOTHORAX)
    ranked = [
        (where, value)
        for where, value in leaves(json.loads(json.dumps(found, allow_nan=False)))
        if "auroc" in where or "average_precision" in where
    ]
    assert len(ranked) > 10
    assert [place for place in ranked if place[1] is not None] == []
    assert f"no {'positive' if prevalence == 0 else 'negative'}" in found["reason"]
    assert found["reason"] in evaluation_text.as_markdown(found, title="t")
    draw_figures(found, tmp_path)


def test_one_patient_has_values_and_no_interval() -> None:
    test, other = scored(1, each=20), scored(12, seed=1)
    found = evaluate(test, other, other.studies, finding=PNEUMOTHORAX)
    ends = [value for where, value in leaves(found) if "interval" in where]
    assert [value for value in ends if value is not None and not isinstance(value, str)] == []
    assert found["test"]["model"]["auroc"] is not None
    assert " to " not in evaluation_text.as_markdown(found, title="t").partition("## Op")[0]


def test_of_several_findings_those_without_both_classes_are_not_in_the_mean() -> None:
    one = scored(12)
    columns = [np.zeros_like(one.truths), one.truths, np.ones_like(one.truths)]
    three = Scored(np.stack(columns, 1), np.stack([one.probabilities] * 3, 1), one.studies)
    found = evaluate_findings(three, findings=["a", "b", "c"])
    assert [found["findings"][name]["auroc"] is None for name in "abc"] == [True, False, True]
    assert found["macro"]["auroc"] == found["findings"]["b"]["auroc"]
    assert found["macro"]["findings"] == 1
    lost = Scored(three.truths[:, [0]], three.probabilities[:, [0]], one.studies)
    assert evaluate_findings(lost, findings=["a"])["macro"]["auroc"] is None


def test_where_one_patient_alone_is_marked_there_is_no_prior_and_no_interval() -> None:
    truth = np.zeros((16, 16), bool)
    truth[3:6, 3:6] = True
    rng = np.random.default_rng(0)
    found = localisation_report(rng.random((2, 4, 4)), [truth] * 2, ["a", "a"], draws=1)
    for row in found["scores"].values():
        assert row["prior"] is None
        assert row["model - prior"] is None
        assert row["model"]["interval"] is None


def test_maps_that_are_flat_have_no_correlation_with_what_is_left_of_them() -> None:
    flat = TinyGap()
    for parameter in flat.backbone[3].parameters():
        nn.init.zeros_(parameter)
    found = randomisation_check(flat, random_images(2, 16), seed=0, stages=2, repeats=1)
    assert [(row.correlation, row.spread) for row in found] == [(None, None)] * 2


def files(**sums: float) -> dict[str, dict[str, float]]:
    return {"a.mid": NO_FRAMES | sums}


@pytest.mark.parametrize(
    ("sums", "message"),
    [
        ({}, "no frame of the test split is scored"),
        ({"frames": 3.0, "nll": math.nan}, r"a\.mid: an NLL of nan"),
        ({"frames": 3.0, "nll": math.inf}, r"a\.mid: an NLL of inf"),
    ],
)
def test_songs_without_a_number_make_no_table(sums: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        summary(files(**sums), files(**sums), {"a.mid": "a"})


def test_one_song_has_a_row_without_intervals_and_without_changes() -> None:
    scores = score_frames(np.full((4, 3), 1 / 3), np.zeros(4, int), np.zeros(4, bool)).sums()
    table = results_table(
        {"model": {"a.mid": scores}}, song_of={"a.mid": "a"}, unit="nats", what="all"
    )
    row = table["test"]["model"]
    assert (row["nll_interval"], row["change"]) == (None, None)
    assert "| one song |" in as_markdown(table, title="t")
    json.dumps(table, allow_nan=False)


def test_a_mixture_fitted_on_no_frame_has_equal_weights() -> None:
    assert mixture_weights(np.zeros((4, 0))).tolist() == [0.25] * 4
    weights = mixture_weights(np.zeros((2, 0)), prior=10 * mixture_weights(np.zeros((2, 0))))
    assert weights.tolist() == [0.5, 0.5]


def test_resamples_without_what_is_divided_by_are_left_out() -> None:
    sums, counts = np.array([3.0, 8.0, 0.0, 0.0]), np.array([1.0, 2.0, 0.0, 0.0])
    low, high = cluster_bootstrap(sums, counts)
    assert (low, high) == (3.0, 4.0)


Lab = tuple[RadiographData, PneumothoraxDetector]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A few phantoms and a detector that knows nothing yet."""
    small = [*QUICK_XRAY, "data.source.patients=12"]
    return build(composed(tmp_path_factory.mktemp("lab") / "a", *small, quick=False))


@pytest.fixture(scope="module")
def seen(lab: Lab) -> Predictions:
    """What it says of them."""
    return predict_split(lab[1], lab[0], TEST)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_network_that_says_no_numbers_is_named_by_the_first_image(
    seen: Predictions, value: float
) -> None:
    p = seen.probabilities[:, 0].copy()
    p[[1, 3]] = value
    with pytest.raises(InputError) as caught:
        Scored(seen.truths[:, 0], p, seen.studies)
    assert str(caught.value).startswith(f"{seen.studies[1].file}: the probability is not a number")
    assert f"2 of {len(p)} images" in str(caught.value)


def test_weights_that_are_no_numbers_give_no_predictions(lab: Lab) -> None:
    data, task = lab[0], copy.deepcopy(lab[1])
    nn.init.constant_(task.net.head.weight, math.nan)
    with pytest.raises(InputError, match="the probability is not a number"):
        predict_split(task, data, TEST)
    nn.init.constant_(task.net.head.weight, 0.0)
    task.cam = lambda features, weights: torch.full((len(features), 2, 4, 4), math.nan)
    with pytest.raises(InputError, match="the map is not a number"):
        predict_split(task, data, TEST)


def test_a_threshold_that_validation_cannot_choose_is_not_said_to_be_chosen(
    seen: Predictions,
) -> None:
    assert report.threshold_origin(seen, PNEUMOTHORAX) == report.THRESHOLD
    one_class = replace(seen, truths=np.zeros_like(seen.truths))
    assert report.threshold_of(one_class, PNEUMOTHORAX) == 0.5
    assert report.threshold_origin(one_class, PNEUMOTHORAX).startswith("0.5: the validation split")


def test_a_validation_loss_that_is_nan_in_one_batch_is_nan(lab: Lab) -> None:
    """torchmetrics would leave the batch out, with a warning, and take the mean of the others."""
    measured = copy.deepcopy(lab[1].val_loss)
    for loss, weight in ((1.0, 4), (2.0, 12)):
        measured.update(torch.tensor(loss), weight=torch.tensor(weight))
    assert measured.compute().item() == 1.75
    measured.update(torch.tensor(math.nan), weight=torch.tensor(4))
    measured.update(torch.tensor(1.0), weight=torch.tensor(4))
    assert math.isnan(measured.compute())


def test_curves_with_gaps_are_drawn(tmp_path: Path) -> None:
    rows = {
        1: {"train/loss": 1.0, "val/loss": math.inf},
        2: {"train/loss": math.nan, "val/change": math.nan},
        3: {"train/loss": 0.5, "val/loss": 2.0},
    }
    draw_curves(rows, tmp_path / "curves.png")
    draw_curves({}, tmp_path / "none.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
