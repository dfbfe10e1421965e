"""A network of one's own in `NotePredictor`'s place for one: any module from features to logits.

Shape legend: N songs, T steps, F input features, K outputs (for one class a frame its logits).
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.music.datamodule import EVERY
from dlcourse.music.lstm import NoteLSTM
from dlcourse.own_code import is_own, made, option_of, told

_SONGS, _STEPS, _CUT = 2, 5, 3


class OwnNet(nn.Module):
    """A plain module (N, T, F) -> (N, T, K), or (N, K) of the last step, with `NoteLSTM`'s methods.

    Its state is all it has seen: a song is drawn by running the whole of it again for every frame.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward_features(
        self, inputs: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(N, T, F) -> logits (N, T, K) or (N, 1, K), and the past, steps first, (T', N, F)."""
        seen = inputs if state is None else torch.cat([state.transpose(0, 1), inputs], dim=1)
        logits = _logits(self.network(seen))
        logits = logits[:, None] if logits.ndim == 2 else logits[:, -inputs.shape[1] :]
        return logits, seen.transpose(0, 1)

    def forward_head(self, logits: Tensor) -> Tensor:
        """The same logits: the network has a head of its own."""
        return logits

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `forward_features`."""
        return self.forward_features(inputs, state)


def made_net(
    make: Callable[[int, int], nn.Module], num_features: int, num_outputs: int, *, supervise: str
) -> nn.Module:
    """The network of a config; one's own as it is when it has `NoteLSTM`'s methods, else adapted.

    Raises:
        InputError: One's own network cannot be made; its logits are not what training needs, are of
            the last step alone where every step is a target, or look at what they may not.
    """
    spare = inspect.signature(NoteLSTM).parameters
    network = made(make, num_features, num_outputs, spare=spare)
    if not is_own(make) or _has_methods(network):
        return network
    given = option_of(make)
    inputs = torch.rand(_SONGS, _STEPS, num_features, generator=torch.Generator().manual_seed(0))
    logits = _tried(network, inputs, given)
    if logits.shape == (_SONGS, num_outputs):
        if supervise == EVERY:
            raise InputError(
                f"{given}: its logits (N, K) are of the last step: add task.supervise=last; or "
                f"give those of every step (N, T, K)"
            )
    elif logits.shape != (_SONGS, _STEPS, num_outputs):
        raise InputError(
            f"{given}: inputs (N, T, F) = {tuple(inputs.shape)} gave {tuple(logits.shape)}: it has "
            f"to be (N, K) = {(_SONGS, num_outputs)}, logits of the last step, or of every step "
            f"(N, T, K)"
        )
    _check_independence(network, inputs, logits, given)
    return OwnNet(network)


def _has_methods(network: nn.Module) -> bool:
    return all(hasattr(network, name) for name in ("forward_features", "forward_head"))


def _logits(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Of (logits, state) the first: recurrent layers give both."""
    return output[0] if isinstance(output, tuple) else output


def _tried(network: nn.Module, inputs: Tensor, given: str) -> Tensor:
    """Logits in evaluation mode; the random numbers that follow are as if nobody had asked."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            logits = _logits(network(inputs))
    except Exception as error:
        shape = tuple(inputs.shape)
        raise InputError(
            f"{given}: forward of inputs (N, T, F) = {shape}: {told(error)}"
        ) from error
    finally:
        for module, training in modes.items():
            module.training = training
    if not isinstance(logits, Tensor):
        raise InputError(f"{given}: forward gives a {type(logits).__name__}: it has to be logits")
    return logits


def _check_independence(network: nn.Module, inputs: Tensor, logits: Tensor, given: str) -> None:
    """No song depends on another, and no step on a later one."""
    other = inputs.clone()
    other[0] = 1 - other[0]
    if not torch.allclose(_tried(network, other, given)[1], logits[1], atol=1e-4):
        raise InputError(
            f"{given}: a song's logits depend on the other songs of the batch: inputs are "
            f"(N, T, F), so that recurrent layers need batch_first=True"
        )
    other = inputs.clone()
    other[:, _CUT:] = 1 - other[:, _CUT:]
    later = _tried(network, other, given)
    if logits.ndim == 3 and not torch.allclose(later[:, :_CUT], logits[:, :_CUT], atol=1e-4):
        raise InputError(
            f"{given}: the logits of a step depend on later steps, which hold the answer: no "
            f"bidirectional layers or attention without a mask"
        )
