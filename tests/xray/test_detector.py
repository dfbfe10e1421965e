"""The detector's questions: one finding under a softmax, several each for itself."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

from dlcourse.errors import InputError
from dlcourse.metrics import MeanNLL
from dlcourse.xray.detector import PneumothoraxDetector, check_findings, log_odds, questions
from dlcourse.xray.metrics import AUROC, AveragePrecision
from dlcourse.xray.own_backbones import small
from dlcourse.xray.studies import FINDINGS, PNEUMOTHORAX

THREE = ["Edema", PNEUMOTHORAX, "Hernia"]


def detector(findings: list[str], **options: object) -> PneumothoraxDetector:
    torch.manual_seed(0)
    parts = {"loss": nn.CrossEntropyLoss(), "optimizer": None, "scheduler": None, "seed": 0}
    metrics = {"nll": MeanNLL(), "auroc": partial(AUROC)}
    net = partial(small, channels=[4, 8], kernels=[3, 1])
    parts |= {"net": net, "findings": findings, "metrics": metrics}
    return PneumothoraxDetector(**parts | options).eval()


def some_batch(findings: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (6, 1, 32, 32), generator=generator, dtype=torch.uint8)
    targets = torch.randint(0, 2, (6, findings), generator=generator, dtype=torch.uint8)
    return {"images": images, "targets": targets, "item": torch.arange(6)}


def test_one_finding_is_the_softmax_of_two_logits() -> None:
    model, batch = detector([PNEUMOTHORAX]), some_batch(1)
    logits = model.net(batch["images"])
    assert logits.shape == (6, 2)
    p = model(batch["images"]).sigmoid()[:, 0]
    assert torch.allclose(p, logits.softmax(-1)[:, 1], atol=1e-6)
    assert torch.equal(model.score(batch)["logits"], logits)


def test_the_loss_of_several_findings_is_the_mean_binary_cross_entropy() -> None:
    model, batch = detector(THREE), some_batch(3)
    scored = model.score(batch)
    loss = F.cross_entropy(scored["logits"], scored["targets"])
    logits = model.net(batch["images"])
    expected = F.binary_cross_entropy_with_logits(logits, batch["targets"].float())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(log_odds(logits), logits)


def test_questions_keep_the_order_of_images_and_findings() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert questions(logits).tolist() == [[0, v] for v in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)]


def test_the_ranking_metrics_are_those_of_each_finding_and_their_mean() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    p, truths = rng.random((40, 3)), rng.integers(0, 2, (40, 3))
    truths[:, 2] = 1  # nothing can be said of it: left out
    for metric, reference in (
        (AUROC(3), roc_auc_score),
        (AveragePrecision(3), average_precision_score),
    ):
        for rows in (slice(0, 15), slice(15, 40)):
            pairs = torch.tensor(np.stack([1 - p[rows], p[rows]], axis=-1).reshape(-1, 2))
            metric.update(pairs, torch.tensor(truths[rows].reshape(-1)))
        expected = np.mean([reference(truths[:, f], p[:, f]) for f in (0, 1)])
        assert float(metric.compute()) == pytest.approx(expected, rel=1e-6)


def test_a_split_of_one_class_has_no_auroc() -> None:
    metric = AUROC(1)
    metric.update(torch.tensor([[0.4, 0.6], [0.9, 0.1]]), torch.tensor([1, 1]))
    assert torch.isnan(metric.compute())


def test_every_training_image_is_augmented_by_itself_and_the_step_decides_how() -> None:
    seen = []
    shift = v2.RandomAffine(degrees=0, translate=(0.4, 0.4))
    model = detector([PNEUMOTHORAX], augment=shift)
    model.net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[0].clone()))
    batch = some_batch(1)
    batch["images"] = batch["images"][:1].expand(6, -1, -1, -1)
    for step in (3, 3, 4):
        torch.manual_seed(step)
        model.training_step(batch, 0)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert len({image.numpy().tobytes() for image in seen[0]}) == 6
    model.validation_step(batch, 0)
    assert torch.equal(seen[3], batch["images"])


@pytest.mark.parametrize("findings", [[], ["Cough"], ["Mass", "Edema"], ["Mass", "Mass", "Edema"]])
def test_findings_that_cannot_be_asked_for_are_an_error(findings: list[str]) -> None:
    with pytest.raises(InputError, match=r"choose one, or three or more, of Atelectasis"):
        check_findings(findings)


def test_all_fourteen_can_be_asked_for() -> None:
    assert check_findings(FINDINGS) == FINDINGS
