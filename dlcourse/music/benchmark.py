"""What the music wing claims about its speed, as cases for `benchmarking`.

The other contenders are in `rivals`.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from lightning.pytorch import Trainer

from dlcourse.benchmarking import Case, Claim, Contender
from dlcourse.music.cells import CellSteps
from dlcourse.music.corpus import read_corpus
from dlcourse.music.datamodule import SongData
from dlcourse.music.grid import bar_positions
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.logging_cost import LOGGED, logging_cases
from dlcourse.music.melody import Melody
from dlcourse.music.notes import COMMON_TIME
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.rivals import lab_batch, lab_frames, lab_generate, lab_one_hot, plain_loop
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
EPOCH = 200  # optimizer steps where it is timed what is logged every 20
LAB = ["experiment=music_2018"]
# The epoch itself: what a run does besides (checkpoints, validation, pictures) is switched off.
TRAINING = [f"steps={STEPS}", f"validate_every={STEPS}", "+trainer.limit_val_batches=0"]
TRAINING += [f"~callbacks.{name}" for name in ("best", "last", "curves", "results", "songs")]
WATCHED = [*LAB, "data.batch_size=64", *TRAINING, f"steps={EPOCH}", f"validate_every={EPOCH}"]


def cases(build: Build) -> list[Case]:
    """All cases, on the data that `build` gives its runs."""
    data, predictor, _ = build([*LAB, *TRAINING])  # batches of 256
    return [
        # The smaller of the lab's batches: there a step is short and what surrounds it shows.
        training_case("lab's network", build([*LAB, "data.batch_size=64", *TRAINING])),
        training_case("default network", build(["experiment=music_composed", *TRAINING])),
        *logging_cases(build(WATCHED), build([*WATCHED, *LOGGED])),
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


def generating_case(predictor: NotePredictor, data: SongData) -> Case:
    """Our carried state against the lab's window, run anew for every note."""
    predictor = copy.deepcopy(predictor).eval()
    primer = data.tables[TRAIN].entries[0].encoded.frames[:WINDOW]
    positions = bar_positions(COMMON_TIME, WINDOW + NOTES)

    def ours(songs: int, _: None) -> np.ndarray:
        given = np.tile(primer, (songs, 1)), np.tile(positions, (songs, 1, 1))
        predict = CellSteps(predictor.net, predictor.encoding)
        return sample(predict, *given, head=predictor.head, sampler=Sampler(), seed=0)

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
