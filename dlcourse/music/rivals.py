"""What the benchmark is held against: the lab's procedures, and a plain PyTorch loop.

Written from their description; each gives the results that ours gives, to which
`tests/test_benchmarking.py` holds them. Source: 2018 lab 1, `midi_manipulation`, `create_dataset`
and the generation loop of part 2.
"""

from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
import torch
from torch import Tensor, nn

from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.datamodule import LAST, SongData
from dlcourse.music.notes import HIGHEST_PITCH, LOWEST_PITCH, NUM_KEYS
from dlcourse.music.predictor import NotePredictor
from dlcourse.splits import TRAIN


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


def plain_loop(task: NotePredictor, data: SongData, *, steps: int, clip: float | None) -> Tensor:
    """What anybody writes without a framework; returns the last loss."""
    net, made, plan = task.net.train(), task.configure_optimizers(), data.batch_plan()
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    for step in range(steps):
        batch = data.fetch(TRAIN, plan.indices(step))
        inputs = data.encoding.features(batch["context"], batch["positions"], batch.get("matches"))
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
