"""The LSTM cell written out in numpy, one step at a time, for drawing songs.

For a few rows most of torch's time goes into calling it, and an input of ones and zeros needs no
product: it picks rows of a table. The equations are those of `torch.nn.LSTM`, with which the tests
compare them (Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000).

Shape legend: N songs drawn together, H hidden units, F input features, K classes. Gates come first,
(4, N, H), so that each is one block of memory.
"""

import numpy as np

from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.lstm import NoteLSTM

State = list[tuple[np.ndarray, np.ndarray]]  # h and c, (N, H) each, of every layer


class CellSteps:
    """Next-frame logits of an LSTM, one cell step a frame; a `sampling.Predict`.

    Args:
        net: A `NoteLSTM` with cell "lstm"; its weights are copied, dropout is off.
        encoding: What the network was built for.
    """

    def __init__(self, net: NoteLSTM, encoding: ClassEncoding) -> None:
        weights = {name: p.detach().cpu().numpy() for name, p in net.rnn.named_parameters()}
        layers = range(net.rnn.num_layers)
        self.encoding, self.hidden = encoding, net.rnn.hidden_size
        self.inputs = [_arranged(weights[f"weight_ih_l{n}"]) for n in layers]  # (4, F or H, H)
        self.recurrent = [_arranged(weights[f"weight_hh_l{n}"]) for n in layers]  # (4, H, H)
        self.biases = [
            _arranged((weights[f"bias_ih_l{n}"] + weights[f"bias_hh_l{n}"])[:, None])
            for n in layers
        ]  # (4, 1, H)
        self.head = np.ascontiguousarray(net.head.weight.detach().cpu().numpy().T)  # (H, K)
        self.head_bias = net.head.bias.detach().cpu().numpy()
        self.table = self._table()

    def _table(self) -> np.ndarray:
        """What each feature adds to the first layer's gates (4, F + 2, H); see `Encoding.hot`.

        Two more rows: zeros for a frame that is not there, and the bias, which every step needs
        once, so that it is added to the rows of the frame before.
        """
        bias, table = self.biases[0], self.inputs[0].copy()
        table[:, : self.encoding.num_classes] += bias
        return np.concatenate([table, np.zeros_like(bias), bias], axis=1)

    def __call__(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: State | None
    ) -> tuple[np.ndarray, State]:
        """See `sampling.Predict`."""
        if state is None:
            zeros = np.zeros((len(frames), self.hidden), dtype=np.float32)
            state = [(zeros, zeros)] * len(self.recurrent)
        for step in range(first, positions.shape[1]):
            hot = self.encoding.hot(frames, positions, step)  # (C', N)
            rows = self.table.take(hot[0], 1) if len(hot) == 1 else self.table.take(hot, 1).sum(1)
            state = self._step(rows, state)
        return state[-1][0] @ self.head + self.head_bias, state

    def _step(self, inputs: np.ndarray, state: State) -> State:
        after: State = []
        for layer, (h, c) in enumerate(state):
            if layer:
                inputs = after[-1][0] @ self.inputs[layer] + self.biases[layer]
            inputs += h @ self.recurrent[layer]  # (4, N, H)
            after.append(_cell(inputs, c))
        return after


def _arranged(weights: np.ndarray) -> np.ndarray:
    """(4 H, X) for the gates input, forget, cell, output as (4, X, H): input, forget, output, cell.

    The first three are halved: sigmoid(x) = tanh(x / 2) / 2 + 1 / 2, so that one tanh does for all.
    """
    i, f, g, o = np.split(weights.astype(np.float32), 4)
    return np.ascontiguousarray(np.stack([i / 2, f / 2, o / 2, g]).transpose(0, 2, 1))


def _cell(gates: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """h and c (N, H) after a step, from arranged gates (4, N, H), which it overwrites."""
    np.tanh(gates, out=gates)
    opened = gates[:3]
    opened *= 0.5
    opened += 0.5
    i, f, o, g = gates
    c = f * c
    c += i * g
    return o * np.tanh(c), c
