"""A frame told in words: that all goes on, or its notes from high to low and then STOP."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlcourse.errors import InputError
from dlcourse.music.encoding import Encoding
from dlcourse.music.heads.head import JOINT, Decisions, Drawing
from dlcourse.music.heads.notes_down import NotesDown, WordHead
from dlcourse.music.notes import HELD, OFF
from dlcourse.music.roll_history import gone_on

MOST_COUNTED = 16  # notes already chosen, told apart up to here


class SetSoftmax(WordHead):
    """p(frame) = p(GOES ON), or the product of p(next lower note | notes so far), last p(STOP).

    Most frames go on as they were, and one word says so. Any other is told by its notes: a note may
    only be lower than the last one, and the notes may not end as what would go on. So every frame
    has one way to come about, and the probabilities of all frames add up to one.

    A note is a key in one of the states in which it sounds. Its logit has a part of the network's
    own, one of a small hidden layer that sees what is chosen so far, the copy path (by weights of
    both), and one for its interval to each chosen note, which is the same at every pitch.

    Source: the autoregressive factorisation of RNN-NADE (Boulanger-Lewandowski et al., ICML 2012)
    over notes instead of keys: a new chord of four notes takes 5 decisions and not 88.

    Args:
        encoding: A piano roll.
        hidden: Units of the hidden layer.
        dropout: Chance of a zero in it.
        copy: See `RollHead`.
        reach: See `RollHead`.
    """

    kind = JOINT
    excludes = True

    def __init__(
        self,
        encoding: Encoding,
        *,
        hidden: int = 160,
        dropout: float = 0.3,
        copy: bool = True,
        reach: int = 0,
    ) -> None:
        super().__init__(encoding, copy=copy, reach=reach)
        if hidden < 1:
            raise InputError(f"head.hidden={hidden}: at least 1")
        self.num_notes = self.planes * self.num_keys  # V: plane * P + key
        self.stop, self.goes_on = self.num_notes, self.num_notes + 1
        self.num_words = self.num_notes + 2
        self.max_decisions = self.num_keys + 1
        self.hidden = hidden
        self.num_inputs = hidden + self.num_words + self.num_copy
        self.chosen = nn.Linear(self.num_notes, hidden, bias=False)
        self.count = nn.Embedding(MOST_COUNTED, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, self.num_words + self.num_copy)
        for weight in (self.chosen.weight, self.count.weight):
            nn.init.normal_(weight, std=0.1)
        # By interval, from any chosen note and from the last one to a note.
        self.interval = nn.Parameter(torch.zeros(self.planes, 2 * self.num_keys - 1))
        self.last_interval = nn.Parameter(torch.zeros(self.planes, 2 * self.num_keys))

    def decisions(self, inputs: Tensor, frames: Tensor, context: Tensor) -> Decisions:
        """See `Head`; one where all goes on, else as many as there are notes and one more."""
        again = (frames == gone_on(context[:, 0])).all(1)  # (M,)
        told = frames.masked_fill(again[:, None], OFF)
        count = (told > OFF).sum(1)
        frame, key = (told.flip(1) > OFF).nonzero(as_tuple=True)  # by frame, the highest first
        key = self.num_keys - 1 - key
        number = torch.arange(len(frames), device=frames.device)
        of_note = torch.arange(len(key), device=frames.device) + frame  # one last word a frame
        decided = number.repeat_interleave(count + 1)  # (D,)
        targets = torch.where(again, self.goes_on, self.stop)[decided]
        targets[of_note] = (told[frame, key].long() - 1) * self.num_keys + key
        last = torch.full_like(decided, self.num_keys)  # the first note has no last one
        last[of_note + 1] = key
        keys = torch.arange(self.num_keys, device=frames.device)
        chosen = told[decided] * (keys >= last[:, None])  # (D, P)
        logits = self.word_logits(inputs, context, decided, chosen=chosen, last=last)
        return Decisions(logits, targets, decided)

    def word_logits(
        self, inputs: Tensor, context: Tensor, frame: Tensor, *, chosen: Tensor, last: Tensor
    ) -> Tensor:
        """See `WordHead`."""
        sizes = [self.hidden, self.num_words, self.num_copy]
        own_hidden, own, copy = inputs.split(sizes, dim=1)
        planes = self.encoding.planes(chosen)  # (D, S - 1, P)
        count = (chosen > OFF).sum(1).clamp(max=MOST_COUNTED - 1)
        hidden = own_hidden[frame] + self.chosen(planes.flatten(1)) + self.count(count)
        more, more_copy = self.out(self.dropout(torch.tanh(hidden))).split(sizes[1:], dim=1)
        notes = self._by_interval(planes[:, 0], last)
        if self.copy:
            notes = notes + self.copied(copy[frame] + more_copy, context[frame])
        logits = own[frame] + more + F.pad(notes.flatten(1), (0, 2))
        return logits.masked_fill(
            self._cannot(context, frame, chosen=chosen, last=last), -torch.inf
        )

    def _cannot(self, context: Tensor, frame: Tensor, *, chosen: Tensor, last: Tensor) -> Tensor:
        """Which words (D, V + 2) cannot be."""
        keys = torch.arange(self.num_keys, device=last.device)
        notes = self.cannot_hold(context)[frame] | (keys >= last[:, None])[:, None]
        goes_on = gone_on(context[:, 0])[frame]  # (D, P), which has a word of its own
        stop = (chosen == goes_on).all(1)
        # After the lowest key only STOP is left, so that key must not complete it either.
        completes = (chosen[:, 1:] == goes_on[:, 1:]).all(1) & (goes_on[:, 0] > OFF)
        notes[:, HELD - 1, 0] |= completes
        begun = last < self.num_keys
        return torch.cat([notes.flatten(1), stop[:, None], begun[:, None]], dim=1)

    def _by_interval(self, chosen: Tensor, last: Tensor) -> Tensor:
        """(D, S - 1, P) from chosen keys (D, P) and the last (D,)."""
        keys = torch.arange(self.num_keys, device=last.device)
        steps = keys - keys[:, None] + self.num_keys - 1  # (from, to)
        all_chosen = torch.einsum("df,sft->dst", chosen, self.interval[:, steps])
        of_last = self.last_interval[:, keys - last[:, None] + self.num_keys]  # (S - 1, D, P)
        return all_chosen + of_last.transpose(0, 1)

    def begin(
        self, inputs: np.ndarray, context: np.ndarray, *, one_by_one: bool = False
    ) -> Drawing:
        """See `Head`; one note after the other in any case."""
        return NotesDown(self, torch.from_numpy(inputs), torch.from_numpy(context))
