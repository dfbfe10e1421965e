"""The lab's network: a recurrent cell, and one linear layer on its output.

Shape legend: N batch, T steps, F input features, H hidden units, K classes.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dlcourse.errors import InputError

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class NoteLSTM(nn.Module):
    """Recurrent layers, then a linear layer to the logits of the next note.

    Source: 2018 lab 1, part 2, section 2.2.3: `BasicLSTMCell(128)`, last output times weights plus
    biases, both drawn from N(0, 1).

    Args:
        num_features: F.
        num_classes: K.
        hidden: H, units a layer.
        layers: Recurrent layers.
        cell: "lstm", "gru" or "rnn".
        dropout: Chance of a zero between layers and before the linear layer.
        input_dropout: Chance of a zero in the input.
        head_std: Standard deviation of the linear layer's initial weights and biases (the lab: 1);
            PyTorch's own initialisation when None.
        forget_bias: Added to the LSTM's forget gate at the start (TensorFlow's cell: 1).
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        *,
        hidden: int = 128,
        layers: int = 1,
        cell: str = "lstm",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        head_std: float | None = None,
        forget_bias: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise InputError(f"net.cell={cell}: choose one of {', '.join(CELLS)}")
        between = dropout if layers > 1 else 0.0
        self.rnn = CELLS[cell](num_features, hidden, layers, dropout=between, batch_first=True)
        self.input_dropout, self.dropout = nn.Dropout(input_dropout), nn.Dropout(dropout)
        self.head = nn.Linear(hidden, num_classes)
        if head_std is not None:
            for parameter in self.head.parameters():
                nn.init.normal_(parameter, std=head_std)
        if cell == "lstm" and forget_bias:
            self._add_forget_bias(forget_bias)

    def _add_forget_bias(self, value: float) -> None:
        for name, parameter in self.rnn.named_parameters():
            if name.startswith("bias_ih"):  # input, forget, cell, output: H of each
                with torch.no_grad():
                    parameter[len(parameter) // 4 : len(parameter) // 2] += value

    def forward_features(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """(N, T, F) -> hidden (N, T, H), and the state to go on from."""
        return self.rnn(self.input_dropout(inputs), state)

    def forward_head(self, hidden: Tensor) -> Tensor:
        """(..., H) -> logits (..., K)."""
        return self.head(self.dropout(hidden))

    def forward(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """(N, T, F) -> logits (N, T, K), and the state to go on from."""
        hidden, state = self.forward_features(inputs, state)
        return self.forward_head(hidden), state
