"""What the music wing claims about its speed, as cases for `benchmarking`.

The other contenders are the lab's procedures and a plain PyTorch loop, written here from their
description. Each gives the results that ours gives; `tests/test_benchmarking.py` holds them to it.
Source: 2018 lab 1, `midi_manipulation.midiToNoteStateMatrix`, and its `get_batch` and generation.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import mido
import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from dlcourse.benchmarking import Case, Claim, Contender
from dlcourse.music.cells import CellSteps
from dlcourse.music.corpus import read_corpus
from dlcourse.music.datamodule import LAST, SongData
from dlcourse.music.encoding import NO_CLASS, bar_positions
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.notes import COMMON_TIME, HIGHEST_PITCH, LOWEST_PITCH, NUM_KEYS
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.sampling import Sampler, sample
from dlcourse.splits import TRAIN

# What one training run is made of, from overrides of conf/train.yaml.
Parts = tuple[SongData, NotePredictor, Callable[[], Trainer]]
Build = Callable[[Sequence[str]], Parts]

STEPS = 60  # optimizer steps of a timed training
BATCHES = 200
WINDOW = 64  # the lab's
NOTES, LAB_NOTES = 500, 100  # the lab's procedure draws a part of them; each costs the same
SNIPPETS, LAB_FILES = 88, 6  # reading is reported for the lab's number of files
LAB = ["experiment=music_2018"]
# The epoch itself: what a run does besides (checkpoints, validation, pictures) is switched off.
TRAINING = [f"steps={STEPS}", f"validate_every={STEPS}", "+trainer.limit_val_batches=0"]
TRAINING += [f"~callbacks.{name}" for name in ("best", "last", "curves", "results", "songs")]


def music_cases(build: Build) -> list[Case]:
    """All cases, on the data that `build` gives its runs."""
    data, predictor, _ = build([*LAB, *TRAINING])  # batches of 256
    return [
        # The smaller of the lab's batches: there a step is short and what surrounds it shows.
        training_case("lab's network", build([*LAB, "data.batch_size=64", *TRAINING])),
        training_case("default network", build(["experiment=music_composed", *TRAINING])),
        fetching_case(data),
        generating_case(predictor, data),
        reading_case(Path(data.root) if data.root else data.source.folder(data.data_dir)),
    ]


def training_case(name: str, parts: Parts) -> Case:
    """Our Trainer against a plain loop over the same batches."""
    data, task, trainer = parts
    clip = trainer().gradient_clip_val
    return Case(
        name=f"train {name}, {STEPS} x {data.batch_size} windows of {data.window}",
        contenders={
            "Trainer": Contender(
                prepare=lambda: (trainer(), copy.deepcopy(task)),
                run=lambda made: made[0].fit(made[1], datamodule=data),
            ),
            "loop": Contender(
                prepare=lambda: copy.deepcopy(task),
                run=lambda fresh: plain_loop(fresh, data, steps=STEPS, clip=clip),
            ),
        },
        claims=(Claim(text="Trainer / plain loop", top="Trainer", bottom="loop", at_most=1.10),),
    )


def plain_loop(task: NotePredictor, data: SongData, *, steps: int, clip: float | None) -> Tensor:
    """What anybody writes without a framework; returns the last loss."""
    net, made, plan = task.net.train(), task.configure_optimizers(), data.batch_plan()
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    for step in range(steps):
        batch = data.fetch(TRAIN, plan.indices(step))
        inputs = data.encoding.features(batch["context"], batch["positions"])
        hidden, targets = net.forward_features(inputs)[0], batch["targets"]
        if task.supervise == LAST:
            hidden, targets = hidden[:, -1:], targets[:, -1:]
        loss = task.loss(net.forward_head(hidden).flatten(0, 1), targets.flatten().long())
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
        scheduler.step()
    return loss.detach()


def fetching_case(data: SongData) -> Case:
    """Our gather against the lab's `get_batch`, up to the tensor that the network is given."""
    plan, rng = data.batch_plan(), np.random.default_rng(0)
    songs = [lab_one_hot(entry.encoded.frames) for entry in data.tables[TRAIN].entries]

    def fetch(_: None) -> None:
        for step in range(BATCHES):
            data.fetch(TRAIN, plan.indices(step))

    def fetch_features(_: None) -> None:
        for step in range(BATCHES):
            batch = data.fetch(TRAIN, plan.indices(step))
            data.encoding.features(batch["context"], batch["positions"])

    def lab(_: None) -> None:
        for _ in range(BATCHES):
            lab_batch(songs, rng, timesteps=data.window, batch_size=data.batch_size)

    return Case(
        name=f"fetch {BATCHES} x {data.batch_size} windows of {data.window}",
        contenders={
            "lab": Contender(run=lab),
            "ours": Contender(run=fetch_features),
            "fetch alone": Contender(run=fetch),
        },
        claims=(
            Claim(text="lab / ours, a batch", top="lab", bottom="fetch alone", at_least=20),
            Claim(text="lab / ours, and as one-hot input", top="lab", bottom="ours"),
        ),
    )


def lab_one_hot(frames: np.ndarray) -> np.ndarray:
    """The lab's matrix (T, 78) float64 of a song; a silent frame is a row of zeros."""
    rows = np.zeros((len(frames), NUM_KEYS))
    sounding = np.flatnonzero(frames != NO_CLASS)
    rows[sounding, frames[sounding]] = 1
    return rows


def lab_batch(
    songs: Sequence[np.ndarray], rng: np.random.Generator, *, timesteps: int, batch_size: int
) -> tuple[Tensor, Tensor]:
    """The lab's `get_batch`: inputs (N, T, 78) and targets (N, 78), both float32."""
    batch_x = np.zeros((batch_size, timesteps, NUM_KEYS))
    batch_y = np.zeros((batch_size, NUM_KEYS))
    for item in range(batch_size):
        song = songs[rng.integers(len(songs))]
        start = rng.integers(len(song) - timesteps - 1)
        batch_x[item] = song[start : start + timesteps]
        batch_y[item] = song[start + timesteps]
    return torch.from_numpy(batch_x).float(), torch.from_numpy(batch_y).float()


def generating_case(predictor: NotePredictor, data: SongData) -> Case:
    """Our carried state against the lab's window, run anew for every note."""
    predictor = copy.deepcopy(predictor).eval()
    primer = data.tables[TRAIN].entries[0].encoded.frames[:WINDOW]
    positions = bar_positions(COMMON_TIME, WINDOW + NOTES)

    def ours(songs: int, _: None) -> np.ndarray:
        given = np.tile(primer, (songs, 1)), np.tile(positions, (songs, 1, 1))
        predict = CellSteps(predictor.net, predictor.encoding)
        return sample(predict, *given, sampler=Sampler(), seed=0)

    def lab(_: None) -> list[int]:
        rng = np.random.default_rng([0, 0])
        return lab_generate(predictor.net, primer, notes=LAB_NOTES, rng=rng)

    return Case(
        name=f"generate {NOTES} notes",
        contenders={
            "lab": Contender(run=lab, scale=NOTES / LAB_NOTES),
            "1 song": Contender(run=partial(ours, 1)),
            "16 songs": Contender(run=partial(ours, 16)),
        },
        claims=(
            Claim(text="lab / ours, 1 song", top="lab", bottom="1 song", at_least=20),
            Claim(text="16 songs / 1 song", top="16 songs", bottom="1 song", at_most=3),
        ),
    )


@torch.inference_mode()
def lab_generate(
    net: nn.Module, primer: np.ndarray, *, notes: int, rng: np.random.Generator
) -> list[int]:
    """The lab's generation: every draw runs the whole window from a zero state."""
    window, drawn = lab_one_hot(primer), []
    for _ in range(notes):
        hidden, _ = net.forward_features(torch.from_numpy(window).float()[None])
        probabilities = net.forward_head(hidden[:, -1]).double().softmax(-1)[0].numpy()
        drawn.append(int(rng.choice(NUM_KEYS, p=probabilities)))
        window = np.append(window[1:], lab_one_hot(np.array(drawn[-1:])), axis=0)
    return drawn


def reading_case(folder: Path) -> Case:
    """Our reader and encodings against the lab's loop over ticks."""
    paths = [folder / entry.file for entry in read_corpus(folder, Melody())]
    some = paths[:: -(-len(paths) // LAB_FILES)]
    whole = SNIPPETS / len(paths)
    fast = {
        name: Contender(run=lambda _, e=encoding: read_corpus(folder, e), scale=whole)
        for name, encoding in (("Melody", Melody()), ("Lab2018", Lab2018()))
    }
    lab = Contender(run=lambda _: [lab_frames(p) for p in some], scale=SNIPPETS / len(some))
    return Case(
        name=f"read and encode {SNIPPETS} songs",
        contenders={"lab": lab, **fast},
        claims=(
            *(Claim(text=name, top=name, at_most=0.2) for name in fast),
            *(Claim(text=f"lab / {name}", top="lab", bottom=name) for name in fast),
        ),
    )


def lab_frames(path: Path) -> np.ndarray:
    """The lab's reading: the highest key (T,) of each frame, `NO_CLASS` for silence."""
    midi = mido.MidiFile(path)
    waits = [track[0].time if track else None for track in midi.tracks]
    places, state, tick = [0] * len(waits), [(0, 0)] * NUM_KEYS, 0
    frames = [state]  # a frame: play and articulate of each key
    while any(wait is not None for wait in waits):
        if tick % (midi.ticks_per_beat // 4) == midi.ticks_per_beat // 8:
            state = [(play, 0) for play, _ in state]
            frames.append(state)
        for number, track in enumerate(midi.tracks):
            while waits[number] == 0:
                message = track[places[number]]
                if message.type == "time_signature" and message.numerator not in (2, 4):
                    return _highest(frames)
                _apply(message, state)
                places[number] += 1
                ended = places[number] == len(track)
                waits[number] = None if ended else track[places[number]].time
            if waits[number] is not None:
                waits[number] -= 1
        tick += 1
    return _highest(frames)


def _apply(message: mido.Message, state: list[tuple[int, int]]) -> None:
    if message.type in ("note_on", "note_off") and LOWEST_PITCH <= message.note <= HIGHEST_PITCH:
        is_on = message.type == "note_on" and message.velocity > 0
        state[message.note - LOWEST_PITCH] = (int(is_on), int(is_on))


def _highest(frames: list[list[tuple[int, int]]]) -> np.ndarray:
    sounding = np.array(frames).any(axis=-1)  # (T, 78)
    top = NUM_KEYS - 1 - sounding[:, ::-1].argmax(axis=1)
    return np.where(sounding.any(axis=1), top, NO_CLASS)
