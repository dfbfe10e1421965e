"""The two models of part 1, small enough to see whole."""

import torch
from torch import Tensor, nn


class Expression(nn.Module):
    """e = (a + b)(b - 1), which the lab draws as its first graph."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The value e for numbers a and b, or for as many of them as there are in two tensors."""
        return (a + b) * (b - 1)


class Perceptron(nn.Module):
    """sigmoid(W x + b): one unit, which is the smallest network.

    Args:
        inputs: Their number I. Weights begin at 1 and the bias at 0, as in the lab.
    """

    def __init__(self, inputs: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities (N,) of inputs (N, I), or one of an input (I,)."""
        return torch.sigmoid(x @ self.weight + self.bias)
