"""Exercise: augment by transposing, what is seen and what is predicted alike."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, right, same, tensor_from
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.notes import NUM_KEYS

SKELETON = '''
def transpose(inputs: Tensor, targets: Tensor, semitones: int) -> tuple[Tensor, Tensor]:
    """Windows and the notes after them in another key.

    Every key moves by `semitones`, in a window and in its target alike. A window of which a note,
    or the target, would leave the 78 keys moves as a whole by less: by as much as there is room
    for. Silence (-1) stays silence.

    Args:
        inputs: (N, T) int64 keys 0 to 77, -1 for silence; it is not changed.
        targets: (N,) int64, the note after each window; it is not changed.
        semitones: Upwards when positive, downwards when negative.

    Returns:
        The moved inputs (N, T) and the moved targets (N,).

    Source: 2018 lab 1, part 2, "augment by transposing".
    """
    raise NotImplementedError
'''

SOLUTION = """
def transpose(inputs: Tensor, targets: Tensor, semitones: int) -> tuple[Tensor, Tensor]:
    from dlcourse.exercises.lab1.transposition import reference

    moved = reference(inputs, targets, semitones)
    return moved[:, :-1], moved[:, -1]
"""

_HEAD = "\ndef transpose(inputs: Tensor, targets: Tensor, semitones: int):\n"
_PLAIN = (
    _HEAD
    + """    notes = torch.cat([inputs, targets[:, None]], dim=1)
    high = notes.max(1).values
    low = notes.masked_fill(notes < 0, 77).min(1).values
    shift = torch.minimum(torch.maximum(torch.full_like(low, semitones), -low), 77 - high)
    moved = torch.where(notes >= 0, notes + shift[:, None], notes)
    return moved[:, :-1], moved[:, -1]
"""
)


def _mistaken(body: str) -> str:
    return f"{_HEAD}    {body}\n"


def reference(inputs: Tensor, targets: Tensor, semitones: int) -> Tensor:
    """(N, T + 1) moved windows with their targets, by the package."""
    from dlcourse.music.augmentation.transposition import shift_ranges  # brings Lightning along

    encoding = Lab2018()
    notes = torch.cat([inputs, targets[:, None]], dim=1)
    key_ranges = torch.tensor([encoding.key_range(row) for row in notes.numpy()])
    wished = (min(semitones, 0), max(semitones, 0))
    ranges = shift_ranges(key_ranges, NUM_KEYS, semitones=wished)
    return encoding.transpose(notes, ranges[:, 1] if semitones > 0 else ranges[:, 0])


@judging
def check(student: Callable[..., Any]) -> Iterator[Finding]:
    """Windows with room, silence, and windows near the ends of the keyboard."""
    inputs, targets = torch.tensor([[30, 34, 37, 34], [40, 40, 45, 47]]), torch.tensor([42, 49])
    for semitones in (3, -5):
        _look_at_shift(student, inputs, targets, semitones)
    yield right("Windows and targets move by the same interval, up and down.")
    rests, rest = torch.tensor([[-1, 34, -1, 34]]), torch.tensor([-1])
    for semitones in (1, -3):
        if not same(_moved(student, rests, rest, semitones), reference(rests, rest, semitones)):
            raise Wrong("Silence (-1) is no key: it has to stay -1, and be no limit to the others.")
    yield right("Silence stays silence.")
    _look_at_ends(student)
    yield right("Near the ends of the keyboard a window moves as a whole, as far as there is room.")
    rng = torch.Generator().manual_seed(4)
    inputs = torch.randint(-1, 78, (40, 6), generator=rng).clamp(max=77)
    inputs[20:] = inputs[20:].clamp(0, 30) + 20
    targets = torch.randint(-1, 78, (40,), generator=rng)
    for semitones in (-11, 0, 7):
        moved = _moved(student, inputs, targets, semitones)
        if not same(moved, reference(inputs, targets, semitones)):
            raise Wrong(f"40 windows moved by {semitones} semitones come out otherwise than ours.")
    yield right("40 windows come out as ours.")


def _moved(student: Callable[..., Any], inputs: Tensor, targets: Tensor, semitones: int) -> Tensor:
    """What comes back, as windows with their targets (N, T + 1)."""
    given = inputs.clone(), targets.clone()
    pair = student(*given, semitones)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise Wrong("transpose has to return two tensors: the moved inputs and the moved targets.")
    if not (same(given[0], inputs) and same(given[1], targets)):
        raise Wrong("The tensors that were handed in are changed: work on copies.")
    moved = tensor_from(pair[0], tuple(inputs.shape), "transpose, of the inputs,")
    after = tensor_from(pair[1], tuple(targets.shape), "transpose, of the targets,")
    return torch.cat([moved, after[:, None]], dim=1)


def _look_at_shift(
    student: Callable[..., Any], inputs: Tensor, targets: Tensor, semitones: int
) -> None:
    """Where there is room for all."""
    moved = _moved(student, inputs, targets, semitones)
    seen, after = moved[:, :-1] - inputs, moved[:, -1] - targets
    if (seen == semitones).all() and (after == 0).all():
        raise Wrong(
            "Only the inputs are transposed: the note to predict has to move with them, or the "
            "network learns wrong intervals."
        )
    if (after == semitones).all() and (seen == 0).all():
        raise Wrong("Only the targets are transposed: the window has to move with them.")
    if (seen == -semitones).all() and (after == -semitones).all():
        raise Wrong("It goes the wrong way: positive is upwards.")
    if (seen != semitones).any() or (after != semitones).any():
        raise Wrong(f"With room for it, every key has to move by {semitones}, and does not.")


def _look_at_ends(student: Callable[..., Any]) -> None:
    for semitones, keys, target in ((7, [60, 64, 75, 67], 72), (-7, [3, 8, 15, 12], 10)):
        inputs, targets = torch.tensor([keys]), torch.tensor([target])
        notes = torch.cat([inputs, targets[:, None]], dim=1)
        moved = _moved(student, inputs, targets, semitones)
        if same(moved, (notes + semitones) % NUM_KEYS):
            raise Wrong(
                "A note that leaves the keyboard comes in again at the other end (wrap-around): "
                "the melody leaps by octaves. Move the whole window by less instead."
            )
        if moved.min() < 0 or moved.max() >= NUM_KEYS:
            raise Wrong("A note leaves the 78 keys: move the whole window by less.")
        if same(moved, (notes + semitones).clamp(0, NUM_KEYS - 1)):
            raise Wrong(
                "Each note is cut at the end of the keyboard by itself, which changes the melody: "
                "move the whole window by less."
            )
        if same(moved, notes):
            raise Wrong("A window near the end of the keyboard stays: there is room for a part.")
        shifts = moved - notes
        if (shifts != shifts[:, :1]).any():
            raise Wrong("Near the end of the keyboard window and target move by other intervals.")
        if not same(moved, reference(inputs, targets, semitones)):
            raise Wrong("Near the end of the keyboard a window has to move as far as it can.")
    inputs, targets = torch.tensor([[60, 64], [30, 31]]), torch.tensor([76, 32])
    moved = _moved(student, inputs, targets, 5)
    if not same(moved[:, -1] - targets, [1, 5]):
        raise Wrong(
            "What there is room for is found out for each window with its target: a window does "
            "not hold back another one, and a target counts like the notes before it."
        )


MISTAKES = (
    Mistake("transposing only x",
            _mistaken("return torch.where(inputs >= 0, inputs + semitones, inputs), targets"),
            "Only the inputs"),
    Mistake("transposing only y", _mistaken("return inputs, targets + semitones"),
            "Only the targets"),
    Mistake("wrap-around", _PLAIN.replace("notes + shift[:, None]", "(notes + semitones) % 78"),
            "wrap-around"),
    Mistake("silence is moved", _mistaken("return inputs + semitones, targets + semitones"),
            "Silence"),
    Mistake("off the keyboard", _PLAIN.replace("shift[:, None]", "semitones"), "leaves the 78"),
    Mistake("note by note", _PLAIN.replace("notes + shift[:, None]",
            "(notes + semitones).clamp(0, 77)"), "by itself"),
    Mistake("the wrong way", _PLAIN.replace("notes + shift", "notes - shift"), "wrong way"),
    Mistake("left where it is", _PLAIN.replace("    moved =",
            "    shift = torch.where(shift == semitones, shift, 0)\n    moved ="), "for a part"),
    Mistake("one shift for the batch", _PLAIN.replace("    moved =",
            "    shift[:] = shift[shift.abs().argmin()]\n    moved ="), "hold back"),
    Mistake("silence is a limit", _PLAIN.replace("notes.masked_fill(notes < 0, 77)", "notes"),
            "no limit"),
    Mistake("in place", _HEAD + "    inputs += semitones\n    targets += semitones\n"
            "    return inputs, targets\n", "changed"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="transpose",
        lab=1,
        title="Transpose a window and its target",
        source="2018 lab 1, part 2: exercises",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
