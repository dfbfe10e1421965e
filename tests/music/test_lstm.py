"""The recurrent network against cells written out by hand."""

import pytest
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.music.lstm import NoteLSTM

CELLS = ["lstm", "gru", "rnn"]


def net(cell: str = "lstm", *, features: int = 7, **options: object) -> NoteLSTM:
    torch.manual_seed(0)
    return NoteLSTM(features, 5, **{"hidden": 6, "cell": cell} | options).eval()


def inputs(steps: int = 20, *, songs: int = 3) -> Tensor:
    return torch.randn(songs, steps, 7, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("cuts", [[1] * 20, [7, 1, 12], [20]])
def test_a_carried_state_is_the_whole_sequence_at_once(
    cell: str, layers: int, cuts: list[int]
) -> None:
    network, x, state, parts = net(cell, layers=layers, dropout=0.5), inputs(), None, []
    for part in x.split(cuts, dim=1):
        logits, state = network(part, state)
        parts.append(logits)
    whole, _ = network(x)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)
    assert not torch.allclose(network(x[:, 5:])[0], whole[:, 5:], atol=1e-3)


@pytest.mark.parametrize("cell", CELLS)
def test_songs_of_a_batch_do_not_meet_and_the_future_is_not_seen(cell: str) -> None:
    network, x = net(cell, layers=2), inputs()
    whole = network(x)[0]
    assert torch.allclose(network(x[1:2])[0], whole[1:2], atol=1e-6)
    changed = x.clone()
    changed[:, 11] += 3
    after = network(changed)[0]
    assert torch.equal(after[:, :11], whole[:, :11])
    assert (after[:, 11:] - whole[:, 11:]).abs().amax(dim=(0, 2)).min() > 1e-5


def lstm_by_hand(network: NoteLSTM, x: Tensor, *, forget: float) -> Tensor:
    """Hochreiter and Schmidhuber with a forget gate, to which a constant is added."""
    rnn, size = network.rnn, 6
    h = c = torch.zeros(len(x), size)
    logits = []
    for step in range(x.shape[1]):
        gates = x[:, step] @ rnn.weight_ih_l0.T + h @ rnn.weight_hh_l0.T
        gates = gates + rnn.bias_ih_l0 + rnn.bias_hh_l0
        i, f, g, o = gates.split(size, dim=1)
        c = torch.sigmoid(f + forget) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        logits.append(h @ network.head.weight.T + network.head.bias)
    return torch.stack(logits, dim=1)


@pytest.mark.parametrize("bias", [0.0, 1.0, -2.0])
def test_the_forget_bias_lands_in_the_forget_gate(bias: float) -> None:
    """The hand-written cell adds it to the gates of a network that has none."""
    plain, biased = net(), net(forget_bias=bias)
    assert torch.allclose(
        biased(inputs())[0], lstm_by_hand(plain, inputs(), forget=bias), atol=1e-6
    )


def test_other_cells_have_no_forget_gate_and_every_layer_of_an_lstm_has_one() -> None:
    for cell in ("gru", "rnn"):
        assert torch.equal(net(cell, forget_bias=1.0)(inputs())[0], net(cell)(inputs())[0])
    plain, biased = net(layers=2), net(layers=2, forget_bias=1.0)
    for (name, before), after in zip(plain.named_parameters(), biased.parameters(), strict=True):
        added = torch.zeros_like(before)
        if name in ("rnn.bias_ih_l0", "rnn.bias_ih_l1"):
            added[6:12] = 1
        assert torch.allclose(after, before + added)


def test_the_lab_s_network_has_116_046_weights() -> None:
    """4 x 128 x (78 + 128) + 4 x 128 of TensorFlow's cell, 128 x 78 + 78 of the linear layer.

    PyTorch's cell has its bias twice.
    """
    network = NoteLSTM(78, 78, hidden=128, head_std=1.0, forget_bias=1.0)
    count = sum(p.numel() for p in network.parameters())
    tensorflow = 4 * 128 * (78 + 128) + 4 * 128 + 128 * 78 + 78
    assert (tensorflow, count - 4 * 128) == (116_046, tensorflow)


def test_head_std_is_the_spread_of_the_linear_layer_and_of_nothing_else() -> None:
    for std in (1.0, 0.1):
        torch.manual_seed(0)
        network = NoteLSTM(7, 400, hidden=300, head_std=std)
        for parameter in network.head.parameters():
            assert parameter.std().item() == pytest.approx(std, rel=0.12)
            assert abs(parameter.mean().item()) < 0.15 * std
        assert network.rnn.weight_hh_l0.abs().max() <= 300**-0.5
    torch.manual_seed(0)
    assert NoteLSTM(7, 400, hidden=300).head.weight.abs().max() <= 300**-0.5


def test_dropout_acts_where_it_says_and_only_in_training() -> None:
    network, x = net(features=7, input_dropout=1.0), inputs()
    silent = network(torch.zeros_like(x))[0]
    assert not torch.equal(network(x)[0], silent)
    network.train()
    assert torch.equal(network(x)[0], silent)  # nothing of the input is left
    network = net(dropout=1.0).train()
    assert torch.equal(network(x)[0], network.head.bias.expand(3, 20, 5))
    between = net(layers=2, dropout=1.0).train()
    assert torch.equal(between.forward_features(x)[0][1], between.forward_features(x)[0][0])


def test_logits_are_the_head_of_the_features() -> None:
    network, x = net(), inputs()
    hidden, _ = network.forward_features(x)
    assert torch.equal(network.forward_head(hidden), network(x)[0])
    assert torch.allclose(network.forward_head(hidden[:, -1]), network(x)[0][:, -1], atol=1e-7)


def test_an_unknown_cell_is_an_error() -> None:
    with pytest.raises(InputError, match=r"net\.cell=transformer: choose one of lstm, gru, rnn"):
        net("transformer")
