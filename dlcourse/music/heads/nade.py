"""The neural autoregressive distribution estimator on top of a recurrent network."""

import numpy as np
import torch
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.music.encoding import Encoding
from dlcourse.music.heads.head import JOINT, Drawing
from dlcourse.music.heads.per_key import InTurn, PerKey
from dlcourse.music.heads.roll_head import RARE


class NADE(PerKey):
    """p(frame) = product over keys, from the highest down, of p(key | keys above it).

    A hidden layer gathers what is above: a_k = c(h) + sum over keys j > k of W_j x_j, and key k has
    the logits b_k(h) + V_k sigmoid(a_k). The biases b and c come from the network (RNN-NADE).

    Source: Larochelle and Murray, The Neural Autoregressive Distribution Estimator, AISTATS 2011,
    equations 5 and 6; Boulanger-Lewandowski, Bengio and Vincent, Modeling Temporal Dependencies in
    High-Dimensional Sequences, ICML 2012, section 5.

    Args:
        encoding: A piano roll.
        hidden: Units of the hidden layer.
        copy: See `RollHead`.
        reach: See `RollHead`.
    """

    kind = JOINT

    def __init__(
        self, encoding: Encoding, *, hidden: int = 64, copy: bool = True, reach: int = 0
    ) -> None:
        super().__init__(encoding, copy=copy, reach=reach)
        if hidden < 1:
            raise InputError(f"head.hidden={hidden}: at least 1")
        self.num_own = self.planes * self.num_keys
        self.hidden, self.num_inputs = hidden, self.num_own + hidden + self.num_copy
        self.above = nn.Parameter(0.1 * torch.randn(self.num_own, hidden))  # W
        self.out = nn.Parameter(0.1 * torch.randn(self.num_own, hidden))  # V

    def key_logits(self, inputs: Tensor, planes: Tensor, context: Tensor) -> Tensor:
        """See `PerKey`."""
        sizes = [self.num_own, self.hidden, self.num_copy]
        own, hidden, copy = inputs.split(sizes, dim=1)
        own = own.reshape(len(own), self.planes, self.num_keys) + RARE
        above = self.above.view(self.planes, self.num_keys, self.hidden)
        adds = torch.einsum("xsp,spd->xpd", planes, above)  # (X, P, hidden)
        gathered = adds.flip(1).cumsum(1).flip(1) - adds + hidden[:, None]
        out = self.out.view(self.planes, self.num_keys, self.hidden)
        own = own + torch.einsum("xpd,spd->xsp", gathered.sigmoid(), out)
        return own + self.copied(copy, context) if self.copy else own

    def begin(
        self, inputs: np.ndarray, context: np.ndarray, *, one_by_one: bool = False
    ) -> Drawing:
        """See `Head`; one key after the other in any case."""
        return InTurn(self, torch.from_numpy(inputs), torch.from_numpy(context))
