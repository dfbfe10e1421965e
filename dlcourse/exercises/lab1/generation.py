"""Exercise: the loop that makes a song, note by note, from a primer."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, right, tensor_from

CLASSES, WINDOW, STEPS = 78, 4, 9
PRIMER = (3, 50, 7, 21, 64, 12)

SKELETON = '''
def generate_notes(
    predict: Callable[[Tensor], Tensor],
    draw: Callable[[Tensor], int],
    primer: Tensor,
    *,
    num_steps: int,
    window: int,
) -> Tensor:
    """Continue a primer by `num_steps` notes, each drawn given the `window` notes before it.

    For every new note: predict from the last `window` notes, draw, append. Nothing is learnt here:
    predict is called under torch.no_grad(), or the graph of every step would be kept.

    Args:
        predict: From notes (window,) int64 to the logits (K,) of the note that follows.
        draw: From logits (K,) to a class; your sample_note, say.
        primer: (P,) int64, at least `window` notes; it is not changed.

    Returns:
        (P + num_steps,) int64: the primer, and the new notes after it.

    Source: 2018 lab 1, part 2: 500 draws, each from a run through the whole window.
    """
    raise NotImplementedError
'''

_SIGNATURE = SKELETON[: SKELETON.index('    """')]

SOLUTION = (
    _SIGNATURE
    + """    from dlcourse.music.grid import bar_positions
    from dlcourse.music.heads import Categorical
    from dlcourse.music.lab2018 import Lab2018
    from dlcourse.music.notes import COMMON_TIME
    from dlcourse.music.sampling import Sampler, sample

    class Drawing(Sampler):
        def draw(self, logits, uniforms):
            return np.full(np.shape(uniforms), draw(torch.from_numpy(logits[0])))

    def run(frames, positions, *, first, state):
        step = positions.shape[1] - 1  # its note is asked for
        return predict(torch.from_numpy(frames[0, first - 1 : step])).numpy()[None], None

    with torch.no_grad():
        notes = sample(
            run,
            primer.numpy()[None],
            bar_positions(COMMON_TIME, len(primer) + num_steps)[None],
            head=Categorical(Lab2018()),
            sampler=Drawing(window=window),
            seed=0,
        )
    return torch.from_numpy(notes[0])
"""
)

_LOOP = (
    _SIGNATURE
    + """    notes = primer.tolist()
    with torch.no_grad():
        for _ in range(num_steps):
            logits = predict(torch.tensor(notes[-window:]))
            notes.append(draw(logits))
    return torch.tensor(notes)
"""
)


class Recorder:
    """A network and a sampler that note down how they are asked.

    The note that follows a window depends on all of it and on the order: whoever hands over the
    wrong window gets another song.
    """

    def __init__(self) -> None:
        self.windows: list[tuple[int, ...]] = []
        self.drawn: list[int] = []
        self.recorded_gradients = False

    def predict(self, notes: Tensor) -> Tensor:
        """Logits (K,); the likeliest class is not the one that `draw` gives."""
        if not isinstance(notes, Tensor) or notes.dim() != 1:
            raise Wrong("predict wants a tensor of notes (window,), with one axis.")
        self.windows.append(tuple(int(note) for note in notes))
        self.recorded_gradients |= torch.is_grad_enabled()
        weight = torch.ones((), requires_grad=True)
        return weight * torch.eye(CLASSES)[self.follows(self.windows[-1])] * 5

    @staticmethod
    def follows(window: tuple[int, ...]) -> int:
        """Which class the logits of a window point at."""
        return sum((place + 2) * note for place, note in enumerate(window)) % CLASSES

    def draw(self, logits: Tensor) -> int:
        """The class after the likeliest one."""
        if not isinstance(logits, Tensor) or logits.shape != (CLASSES,):
            raise Wrong("draw wants what predict returned: logits (K,).")
        self.drawn.append((int(logits.argmax()) + 1) % CLASSES)
        return self.drawn[-1]


@judging
def check(student: Callable[..., Any]) -> Iterator[Finding]:
    """What the network is shown at each step, what is kept of the primer and of the draws."""
    primer, recorder = torch.tensor(PRIMER), Recorder()
    song = student(recorder.predict, recorder.draw, primer, num_steps=STEPS, window=WINDOW)
    if tuple(primer.tolist()) != PRIMER:
        raise Wrong("The primer itself was changed: work on a copy.")
    _look_at_windows(recorder.windows)
    yield right("Each note is predicted from the notes just before it.")
    if recorder.recorded_gradients:
        raise Wrong(
            "predict was called with gradients on: the graph of every step is kept, and memory "
            "grows. Put the loop under torch.no_grad()."
        )
    yield right("No gradients are kept.")
    _look_at_song(song, recorder.drawn)
    yield right("The primer stands first, and every note that was drawn after it.")
    same_length = torch.tensor(PRIMER[:WINDOW])
    again = student(recorder.predict, recorder.draw, same_length, num_steps=1, window=WINDOW)
    tensor_from(again, (WINDOW + 1,), "generate_notes, for one step after a primer of one window,")
    yield right("A primer of one window will do.")


def _look_at_windows(windows: list[tuple[int, ...]]) -> None:
    if not windows:
        raise Wrong("predict was never called.")
    start = windows[0]
    if len(windows) > 1 and set(windows) == {start}:
        raise Wrong(
            "Every note is predicted from the same notes: the window is not moved on. Append each "
            "new note before the next is predicted."
        )
    if len(windows) != STEPS:
        raise Wrong(f"predict was called {len(windows)} times for {STEPS} new notes.")
    if any(len(window) != WINDOW for window in windows):
        raise Wrong(
            f"The network was shown {len(start)} to {max(map(len, windows))} notes; it has to be "
            f"the last {WINDOW}, the window, each time."
        )
    if start == PRIMER[:WINDOW]:
        raise Wrong("The first window is the primer's beginning; it has to be the primer's end.")
    notes = list(PRIMER)
    for window in windows:
        if window != tuple(notes[-WINDOW:]):
            raise Wrong(
                f"New note {len(notes) - len(PRIMER) + 1} is not predicted from the {WINDOW} notes "
                f"before it: drop the oldest, append the one that was drawn, keep the order."
            )
        notes.append((Recorder.follows(window) + 1) % CLASSES)


def _look_at_song(song: Any, drawn: list[int]) -> None:
    if len(drawn) != STEPS:
        raise Wrong(f"draw was called {len(drawn)} times for {STEPS} new notes: is argmax taken?")
    if song is not None and len(song) == STEPS:
        raise Wrong(
            "The new notes come back without the primer: a song begins with its primer, P + "
            "num_steps notes in all."
        )
    notes = tensor_from(song, (len(PRIMER) + STEPS,), "generate_notes").tolist()
    if tuple(notes[: len(PRIMER)]) != PRIMER:
        raise Wrong("The song does not begin with the primer.")
    if notes[len(PRIMER) :] != drawn:
        raise Wrong("The notes after the primer are not those that were drawn, in their order.")


MISTAKES = (
    Mistake("the window is not moved on",
            _LOOP.replace("notes[-window:]", "primer.tolist()[-window:]"), "not moved on"),
    Mistake("the primer is lost", _LOOP.replace("return torch.tensor(notes)",
            "return torch.tensor(notes[len(primer):])"), "without the primer"),
    Mistake("gradients are kept", _LOOP.replace("with torch.no_grad():", "if True:"),
            "gradients on"),
    Mistake("the whole history", _LOOP.replace("notes[-window:]", "notes"), "the last 4"),
    Mistake("the primer's beginning",
            _LOOP.replace("notes[-window:]", "notes[len(notes) - len(primer):][:window]"),
            "primer's beginning"),
    Mistake("argmax instead of the draw",
            _LOOP.replace("draw(logits)", "(int(logits.argmax()) + 1) % len(logits)"), "argmax"),
    Mistake("the window in reverse", _LOOP.replace("notes[-window:]", "notes[-window:][::-1]"),
            "keep the order"),
    Mistake("one note too many", _LOOP.replace("range(num_steps)", "range(num_steps + 1)"),
            "called 10 times"),
    Mistake("the primer is changed", _LOOP.replace("    return",
            "    primer[0] = notes[-1]\n    return"), "changed"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="generate_notes",
        lab=1,
        title="The generation loop",
        source="2018 lab 1, part 2: generation",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
