"""Every classic mistake of lab 1 is named, and nothing right is called wrong."""

import re
from typing import Any

import pytest
import torch

from dlcourse.exercises.catalogue import exercises_of
from dlcourse.exercises.exercise import Exercise, Mistake
from dlcourse.exercises.folder import module_source
from dlcourse.exercises.lab1.sampling import DRAWS, FAR

EXERCISES = exercises_of(1)
MISTAKES = [(exercise, mistake) for exercise in EXERCISES for mistake in exercise.mistakes]

# Written as a student would, by other means than the package's.
OTHER_ANSWERS = {
    "encode_song": """
def encode_song(notes, num_steps):
    roll = np.zeros((num_steps, 128), dtype=bool)
    for start, end, pitch in notes:
        roll[start:end, pitch] = True
    roll = roll[:, 24:102]
    return np.array([row.nonzero()[0].max() if row.any() else -1 for row in roll])
""",
    "NextNoteLSTM": """
class NextNoteLSTM(nn.Module):
    def __init__(self, num_features, num_classes, hidden=128):
        super().__init__()
        self.cell, self.size = nn.LSTMCell(num_features, hidden), hidden
        self.out = nn.Sequential(nn.Dropout(0.2), nn.Linear(hidden, num_classes))

    def forward(self, inputs):
        h = c = inputs.new_zeros(len(inputs), self.size)
        for x in inputs.unbind(1):
            h, c = self.cell(x, (h, c))
        return self.out(h)
""",
    "next_note_loss": """
def next_note_loss(logits, targets):
    chosen = logits[torch.arange(len(targets)), targets]
    return (logits.logsumexp(1) - chosen).mean()
""",
    "note_accuracy": """
def note_accuracy(logits, targets):
    right = 0
    for row, target in zip(logits, targets):
        right += int(row.argmax() == target)
    return right / len(targets)
""",
    "sample_note": """
def sample_note(logits, temperature, generator):
    noise = -torch.rand(len(logits), generator=generator).log()  # Gumbel: the first to come
    return ((logits / temperature).softmax(-1) / noise).argmax()
""",
    "generate_notes": """
def generate_notes(predict, draw, primer, *, num_steps, window):
    song = primer.clone()
    for _ in range(num_steps):
        with torch.inference_mode():
            note = draw(predict(song[len(song) - window:]))
        song = torch.cat([song, torch.tensor([note])])
    return song
""",
    "near_previous": """
def near_previous(logits, previous, largest):
    low, high = max(0, previous - largest), min(len(logits), previous + largest + 1)
    p = torch.zeros(len(logits))
    p[low:high] = torch.softmax(logits[low:high], 0)
    return p
""",
    "transpose": """
def transpose(inputs, targets, semitones):
    x, y = inputs.clone(), targets.clone()
    for i in range(len(x)):
        step = semitones
        keys = [k for k in [*x[i].tolist(), int(y[i])] if k >= 0]
        while keys and not (0 <= min(keys) + step and max(keys) + step <= 77):
            step -= 1 if step > 0 else -1
        x[i][x[i] >= 0] += step
        if y[i] >= 0:
            y[i] += step
    return x, y
""",
}


def loaded(exercise: Exercise, source: str) -> Any:
    names: dict[str, Any] = {}
    exec(module_source("", [source]), names)
    return names[exercise.name]


def wrong(exercise: Exercise, source: str) -> list[str]:
    return [f.text for f in exercise.check(loaded(exercise, source)) if not f.ok]


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES, ids=lambda case: case.name)
def test_a_classic_mistake_is_named_and_the_answer_is_not(
    exercise: Exercise, mistake: Mistake
) -> None:
    texts = wrong(exercise, mistake.source)
    assert any(re.search(mistake.says, text) for text in texts), texts
    lines = {line.strip() for line in exercise.solution.splitlines() if len(line.strip()) > 12}
    for text in texts:  # the answer is not in them, and no whole input
        assert not [line for line in lines if line in text]
        assert len(re.findall(r"-?\d+(?:\.\d+)?", text)) < 8
        assert "tensor(" not in text


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_the_package_and_another_right_answer_pass(exercise: Exercise) -> None:
    assert wrong(exercise, exercise.solution) == []
    assert wrong(exercise, OTHER_ANSWERS[exercise.name]) == []


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_a_skeleton_is_not_begun(exercise: Exercise) -> None:
    with pytest.raises(NotImplementedError):
        exercise.check(loaded(exercise, exercise.skeleton))


@pytest.mark.parametrize(
    "exercise", [e for e in EXERCISES if e.name != "NextNoteLSTM"], ids=lambda e: e.name
)
def test_a_missing_return_is_told(exercise: Exercise) -> None:
    signature = exercise.skeleton[: exercise.skeleton.index('    """')]
    body = "predict(primer[:window])" if exercise.name == "generate_notes" else "pass"
    assert wrong(exercise, f"{signature}    {body}\n")


def test_chance_alone_does_not_make_a_right_sampler_wrong() -> None:
    p = torch.tensor([-1.0, -0.5, 1.0, 2.0, 0.3]).softmax(-1)
    drawn = torch.multinomial(
        p.expand(2000, 5), DRAWS, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    shares = torch.nn.functional.one_hot(drawn, 5).double().mean(1)
    assert float((shares - p).abs().sum(-1).max()) / 2 < FAR
