"""Exercise: the network, from a window of notes to the logits of the next one."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, right, same

SONGS, STEPS, FEATURES, CLASSES, HIDDEN = 3, 8, 6, 5, 16

SKELETON = '''
class NextNoteLSTM(nn.Module):
    """An LSTM over a window of notes, and a linear layer on its last output.

    h_1, ..., h_T = LSTM(x_1, ..., x_T) and logits = W h_T + b. There is no softmax in here: the
    loss and the sampler have it.

    Args:
        num_features: F, the size of a step of the input.
        num_classes: K, how many notes there are to choose from.
        hidden: H, the size of the LSTM's output.

    Source: 2018 lab 1, part 2, section 2.2.3; Hochreiter and Schmidhuber, Long Short-Term Memory,
    1997.
    """

    def __init__(self, num_features: int, num_classes: int, hidden: int = 128) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, T, F), N windows of T steps, to logits (N, K) of the note after each."""
        raise NotImplementedError
'''

SOLUTION = """
class NextNoteLSTM(nn.Module):
    def __init__(self, num_features: int, num_classes: int, hidden: int = 128) -> None:
        from dlcourse.music.lstm import NoteLSTM

        super().__init__()
        self.net = NoteLSTM(num_features, num_classes, hidden=hidden)

    def forward(self, inputs: Tensor) -> Tensor:
        logits, _ = self.net(inputs)  # (N, T, K)
        return logits[:, -1]
"""

_PLAIN = """
class NextNoteLSTM(nn.Module):
    def __init__(self, num_features: int, num_classes: int, hidden: int = 128) -> None:
        super().__init__()
        self.rnn = nn.LSTM(num_features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        out, (h, c) = self.rnn(inputs)
        return self.head(out[:, -1])
"""


@judging
def check(student: Callable[..., nn.Module]) -> Iterator[Finding]:
    """Shapes, which inputs the logits depend on, their range, and that all weights learn."""
    torch.manual_seed(0)
    net = student(FEATURES, CLASSES, hidden=HIDDEN)
    if not isinstance(net, nn.Module):
        raise Wrong("NextNoteLSTM is no nn.Module: does the class derive from it?")
    net.eval()
    inputs = torch.randn(SONGS, STEPS, FEATURES)
    logits = _logits(net, inputs)
    yield right(f"Windows (N, T, F) become logits (N, K), here {tuple(logits.shape)}.")
    _look_at_range(net, inputs, logits)
    yield right("The outputs are logits: any real number, no softmax in the network.")
    if not same(_logits(net, inputs), logits):
        raise Wrong("The same windows give other logits the second time: is a state kept?")
    _look_at_inputs(net, inputs, logits)
    yield right("Each window's logits depend on all of its own steps, and on no other window.")
    _look_at_step(net, inputs, logits)
    yield right("The logits are those of the last step.")
    _look_at_gradients(net, inputs)
    yield right("Every weight gets a gradient.")


def _logits(net: nn.Module, inputs: Tensor) -> Tensor:
    logits = net(inputs)
    if not isinstance(logits, Tensor):
        kind = type(logits).__name__
        raise Wrong(f"forward returned a {kind}, not a tensor: nn.LSTM returns (output, state).")
    shape, songs = tuple(logits.shape), len(inputs)
    if shape == (songs, CLASSES):
        return logits.detach()
    causes = {
        (STEPS, CLASSES): "that is every step of the last window of the batch. The last step of "
        "every window is needed: which axis does [-1] count along?",
        (songs, STEPS, CLASSES): "that is every step. Only the last one is needed.",
        (songs, HIDDEN): "those are the LSTM's outputs. The linear layer to the K classes is "
        "missing.",
        (1, songs, CLASSES): "the state has an axis for the layers: take the last one.",
    }
    why = causes.get(shape, "look at the axes: windows N, steps T, features F.")
    raise Wrong(f"The logits are {shape} and have to be {(songs, CLASSES)}: {why}")


def _look_at_range(net: nn.Module, inputs: Tensor, logits: Tensor) -> None:
    if logits.min() >= 0 and same(logits.sum(-1), torch.ones(len(logits))):
        raise Wrong(
            "The outputs are probabilities (each row sums to 1): there is a softmax inside. Return "
            "logits; the loss applies the softmax itself."
        )
    if logits.min() >= 0 and same(logits.sum(0), torch.ones(CLASSES)):
        raise Wrong("There is a softmax inside, and over the windows. Return logits.")
    before = [p.detach().clone() for p in net.parameters()]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 20
        largest = _logits(net, inputs).abs().max()
        for parameter, value in zip(net.parameters(), before, strict=True):
            parameter.copy_(value)
    if largest <= 1:
        raise Wrong(
            "However large the weights, no output leaves -1 to 1: those are the LSTM's outputs, "
            "the linear layer is missing (or an activation follows it)."
        )


def _look_at_inputs(net: nn.Module, inputs: Tensor, logits: Tensor) -> None:
    others = inputs.clone()
    others[0] += 1.0
    if not same(_logits(net, others)[1:], logits[1:], tolerance=1e-5):
        raise Wrong(
            "A window's logits change with another window of the batch: the LSTM takes the first "
            "axis for the steps. Is batch_first=True missing?"
        )
    for step, name in ((STEPS - 1, "last"), (0, "first")):
        changed = inputs.clone()
        changed[:, step] += 1.0
        if same(_logits(net, changed), logits, tolerance=1e-7):
            raise Wrong(
                f"The logits do not depend on the {name} step of the window: is it the output of "
                f"the last step, after the LSTM has run through all of them?"
            )


def _look_at_step(net: nn.Module, inputs: Tensor, logits: Tensor) -> None:
    """Where the network is one LSTM and one linear layer, what the latter is given is known."""
    rnns = [module for module in net.modules() if isinstance(module, nn.LSTM)]
    heads = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if len(rnns) != 1 or len(heads) != 1 or not rnns[0].batch_first:
        return
    with torch.no_grad():
        out, (_, cell) = rnns[0](inputs)
        if out.shape[-1] != heads[0].in_features:
            return
        given = {"the mean of all steps": out.mean(1), "the cell state c": cell[-1]}
        for what, vector in given.items():
            if same(heads[0](vector), logits, tolerance=1e-5):
                raise Wrong(f"The linear layer gets {what}; it needs the output of the last step.")


def _look_at_gradients(net: nn.Module, inputs: Tensor) -> None:
    net.train()
    out = net(inputs)
    if not out.requires_grad:
        raise Wrong("No gradient comes through: is there a detach() or no_grad() in forward?")
    (out * torch.randn(out.shape)).sum().backward()
    if any(p.grad is None or not p.grad.any() for p in net.parameters()):
        raise Wrong("Some weights get no gradient: are all layers used, and nothing detached?")


MISTAKES = (
    Mistake("last batch instead of last step", _PLAIN.replace("out[:, -1]", "out[-1]"),
            "every step of the last window"),
    Mistake("the linear layer is missing", _PLAIN.replace("self.head(out[:, -1])", "out[:, -1]"),
            "linear layer .*missing"),
    Mistake("the LSTM has K units and no linear layer",
            _PLAIN.replace("nn.LSTM(num_features, hidden", "nn.LSTM(num_features, num_classes")
            .replace("self.head(out[:, -1])", "out[:, -1]"), "linear layer is missing"),
    Mistake("softmax inside", _PLAIN.replace("(out[:, -1])", "(out[:, -1]).softmax(-1)"),
            "softmax inside"),
    Mistake("softmax inside, over the windows",
            _PLAIN.replace("(out[:, -1])", "(out[:, -1]).softmax(0)"), "over the windows"),
    Mistake("batch_first is missing", _PLAIN.replace(", batch_first=True", ""), "batch_first"),
    Mistake("the first step", _PLAIN.replace("out[:, -1]", "out[:, 0]"), "the last step"),
    Mistake("every step", _PLAIN.replace("out[:, -1]", "out"), "that is every step"),
    Mistake("the mean over the steps", _PLAIN.replace("out[:, -1]", "out.mean(1)"), "mean of all"),
    Mistake("the cell state", _PLAIN.replace("out[:, -1]", "c[-1]"), "cell state"),
    Mistake("detached", _PLAIN.replace("out[:, -1]", "out[:, -1].detach()"), "detached"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="NextNoteLSTM",
        lab=1,
        title="The network: an LSTM and its last output",
        source="2018 lab 1, part 2: the network, section 2.2.3",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
