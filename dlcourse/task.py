"""What the two Lightning modules share: one step, metrics of their own for every split."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection

from dlcourse.data import Batch, CourseData
from dlcourse.divergence import advice, all_finite
from dlcourse.errors import InputError
from dlcourse.ranks import are_several, mean_over_ranks
from dlcourse.training_list import TRAINED_ON, TrainingList, kept_list

_SEED_STRIDE = 1_000_003  # seeds of neighbouring runs do not meet at any step
_RANK_STRIDE = 2_654_435_761  # nor do ranks; a prime of 32 bits, as many as torch looks at


class Task(LightningModule):
    """A network, a loss, an optimizer and metrics.

    Randomness is keyed by seed and step: dropout and augmentation are pure functions of both, so
    that a resumed run is the uninterrupted one. Several ranks train the network that one process
    would; dropout and augmentation are then keyed by the rank, too, so that with them it is
    another draw of the same distribution.

    Args:
        net: Has `forward_features` and `forward_head`.
        loss: Scalar from logits (M, K) and targets (M,).
        optimizer: From parameters; owns its learning rate.
        scheduler: From the optimizer; stepped every optimizer step.
        metrics: Updated with probabilities, never logits; cloned for each split.
        seed: The training seed.

    Attributes:
        trained_on: What the weights have seen, if it is known; every checkpoint has it.
    """

    trained_on: TrainingList | None = None

    def __init__(
        self,
        *,
        net: nn.Module,
        loss: nn.Module | None,
        optimizer: Callable[..., torch.optim.Optimizer] | None,
        scheduler: Callable[..., Any] | None,
        metrics: MetricCollection,
        seed: int,
    ) -> None:
        super().__init__()
        self.net = net
        self.loss = loss
        self._optimizer, self._scheduler, self.seed = optimizer, scheduler, seed
        self.val_metrics = metrics.clone(prefix="val/")
        self.test_metrics = metrics.clone(prefix="test/")
        # What is NaN stays so; "warn" would leave it out, and "disable" leaves out the weights.
        self.val_loss = MeanMetric(nan_strategy=math.nan)

    @abstractmethod
    def score(self, batch: Batch) -> dict[str, Tensor]:
        """Logits (M, K) and targets (M,) of what is scored in a batch, and what metrics ask for.

        A metric may ask for `probabilities` (M, K) and for `nats` (M,) of the targets as well.

        Where an item has several targets, `frame` (M,) says which item each is of: then losses are
        means over the items.
        """

    @abstractmethod
    def item_names(self, data: CourseData, items: np.ndarray) -> list[str]:
        """What these items (N,) of the training split are, for a reader."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what it was trained on; refuse weights that are no numbers.

        Whoever saves, and whenever: the checkpoint of before is not overwritten by such ones.
        """
        weights = [checkpoint["state_dict"][name] for name, _ in self.named_parameters()]
        if not all_finite(weights):
            raise InputError(
                f"the weights are not finite after step {checkpoint['global_step']}, and are not "
                f"saved: {advice()}"
            )
        if self.trained_on is not None:
            checkpoint[TRAINED_ON] = self.trained_on.items

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What the weights had seen goes on with them."""
        self.trained_on = kept_list(checkpoint) or self.trained_on

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Key dropout and augmentation by the step, and by who has which share of the batch."""
        key = self.seed * _SEED_STRIDE + self.global_step
        torch.manual_seed(key + _RANK_STRIDE * self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss, and the accuracy on the training batch (the lab's).

        Of several ranks each gives its part, scaled so that the mean over the ranks, which is what
        becomes of their gradients, is that of the whole batch: shares may differ in size, in how
        many targets are scored, and in the weights of their classes.
        """
        scored = self.score(batch)
        logits, targets = scored["logits"], scored["targets"]
        accuracy = (logits.detach().argmax(-1) == targets).float().mean()
        loss = self._loss(scored)
        if are_several():
            count = loss.new_tensor(len(targets))
            weights = torch.stack([self._weight(scored).to(count), count])
            parts = torch.stack([loss, accuracy]) * weights / mean_over_ranks(weights)
            # A share without targets has no mean; its weight is 0.
            loss, accuracy = torch.where(weights > 0, parts, 0.0)
        return {"loss": loss, "top1": accuracy}

    def _loss(self, scored: dict[str, Tensor]) -> Tensor:
        """The loss is a mean over targets; here it is one over items."""
        loss = self.loss(scored["logits"], scored["targets"])
        return loss * (len(scored["targets"]) / _items(scored)) if "frame" in scored else loss

    def _weight(self, scored: dict[str, Tensor]) -> Tensor:
        """By what the loss has divided: the number of items, or the sum of their weights."""
        of_class = getattr(self.loss, "weight", None)
        return (
            torch.tensor(_items(scored)) if of_class is None else of_class[scored["targets"]].sum()
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the validation metrics, and the loss under the same name as in training."""
        scored = self._evaluate(batch, self.val_metrics)
        if self.loss is not None and len(scored["targets"]):
            self.val_loss.update(scored["loss"], weight=self._weight(scored))
        return scored

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the test metrics; hand what was scored to whoever makes the results."""
        return self._evaluate(batch, self.test_metrics)

    def _evaluate(self, batch: Batch, metrics: MetricCollection) -> dict[str, Tensor]:
        scored = self.score(batch)
        if self.loss is not None:
            scored["loss"] = self._loss(scored)
        # A likelihood is not taken of probabilities: in double precision they end at 745 nats.
        log_p = scored.pop("logits").double().log_softmax(dim=-1)
        scored["nats"] = -log_p.gather(-1, scored["targets"][:, None])[:, 0]
        scored["probabilities"] = log_p.exp()
        metrics.update(**scored)
        return scored

    def on_validation_epoch_end(self) -> None:
        """Log the loss and the metrics of the validation split."""
        self._log(self.val_metrics, {"val/loss": self.val_loss.compute()})
        self.val_loss.reset()

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test split."""
        self._log(self.test_metrics, {})

    def _log(self, metrics: MetricCollection, more: dict[str, Tensor]) -> None:
        values = more | metrics.compute()
        metrics.reset()
        self._check_numbers(values)
        # Lightning would log a validation after step 10 at step 9; the monitor needs `log_dict`.
        self.log_dict(values, logger=False)
        for logger in self.loggers:
            logger.log_metrics({k: float(v) for k, v in values.items()}, self.global_step)

    def _check_numbers(self, values: Mapping[str, Tensor]) -> None:
        """Nothing can be said of a network without a likelihood, nor a best one be told apart."""
        monitor = getattr(self.trainer.checkpoint_callback, "monitor", None)
        for name, value in values.items():
            if name.endswith("/nll") and value.isnan():
                raise InputError(
                    f"{name} is not a number after step {self.global_step}: the network says "
                    f"nothing that is one, or nothing was asked of it; {advice()}"
                )
            if name == monitor and value.isnan():
                raise InputError(
                    f"monitor={name}: not defined on this validation split, so that no checkpoint "
                    f"would be the best; monitor=val/nll always is"
                )

    def configure_optimizers(self) -> dict[str, Any]:
        """The optimizer, and its scheduler stepped every step."""
        try:
            optimizer = self._optimizer(self.parameters())
            scheduler = self._scheduler(optimizer)
        except (TypeError, ValueError) as error:  # an option of the wrong kind
            raise InputError(f"optimizer or scheduler: {error}") from error
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def _items(scored: dict[str, Tensor]) -> int:
    """How many items the targets are of."""
    if "frame" not in scored:
        return len(scored["targets"])
    return int(scored["frame"][-1]) + 1 if len(scored["frame"]) else 0
