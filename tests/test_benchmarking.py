"""Ratios on a clock made here, and contenders that do the same work as ours. Nothing is timed."""

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lightning.pytorch import Trainer

from dlcourse.benchmarking import Case, Claim, Contender, as_table, judge, measure
from dlcourse.errors import InputError
from dlcourse.music.datamodule import SongData
from dlcourse.music.grid import bar_positions, to_steps
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.midi import read_midi, write_midi
from dlcourse.music.notes import COMMON_TIME, Metre, Song, Track, note_array
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.rivals import lab_batch, lab_frames, lab_generate, lab_one_hot, plain_loop
from dlcourse.music.sampling import Sampler, sample
from dlcourse.splits import TRAIN, Fractions
from tests.conftest import MakeCorpus


@pytest.fixture
def no_collecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second a run among the objects of a whole test session."""
    monkeypatch.setattr("gc.collect", lambda: 0)


class FakeMachine:
    """A clock that only contenders move; the processor is busy for half of the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ran: list[str] = []

    def clock(self) -> tuple[float, float]:
        return self.now, self.now / 2

    def contender(self, name: str, seconds: list[float], *, scale: float = 1.0) -> Contender:
        """Takes `seconds` of each run in turn, and a long time to prepare."""
        left = iter(seconds)

        def wait(longer: float) -> float:
            self.now += longer
            return longer

        def run(prepared: float) -> None:
            assert prepared == 1000
            self.ran.append(name)
            wait(next(left))

        return Contender(prepare=lambda: wait(1000.0), run=run, scale=scale)


# Wall and processor seconds of `case`. The machine is ten times slower in the second round.
SECONDS = {
    "slow": np.array([[6.0, 3.0], [80.0, 40.0], [4.0, 2.0]]),
    "fast": np.array([[2.0, 1.0], [20.0, 10.0], [2.0, 1.0]]),
}


def case(machine: FakeMachine, *claims: Claim) -> Case:
    # The first run of each warms up.
    contenders = {
        "slow": machine.contender("slow", [99, 6, 80, 4]),
        "fast": machine.contender("fast", [1, 1, 10, 1], scale=2),
    }
    return Case(name="a case", contenders=contenders, claims=claims)


@pytest.mark.usefixtures("no_collecting")
def test_ratios_are_taken_within_a_round_and_scaled() -> None:
    machine = FakeMachine()
    claim = Claim(text="slow / fast", top="slow", bottom="fast", at_least=3)
    measured = case(machine, claim)
    seconds = measure(measured, rounds=3, clock=machine.clock)
    assert seconds.keys() == SECONDS.keys()
    for name in SECONDS:
        assert np.array_equal(seconds[name], SECONDS[name])
    (row,) = judge(measured, seconds)
    assert row.wall == row.cpu == (3, 2, 4)
    assert row.seconds == {"slow": 6, "fast": 2}
    assert (row.unit, row.goal, row.verdict) == ("x", "at least 3 x", "met")


@pytest.mark.usefixtures("no_collecting")
def test_rounds_are_interleaved_and_turn_round() -> None:
    machine, told = FakeMachine(), []
    measure(case(machine), rounds=2, clock=machine.clock, progress=told.append)
    assert machine.ran == ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert told[0] == "a case, warm-up: slow"
    assert told[2] == "a case, round 1/2: fast"


def test_no_rounds_are_refused() -> None:
    with pytest.raises(InputError, match="rounds=0: at least 1"):
        measure(case(FakeMachine()), rounds=0)


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        ({"at_least": 3.01}, "missed"),
        ({"at_most": 3}, "met"),
        ({"at_most": 2.99}, "missed"),
        ({}, "no goal"),
    ],
)
def test_the_median_is_held_to_the_goal(goal: dict[str, float], verdict: str) -> None:
    measured = case(FakeMachine(), Claim(text="", top="slow", bottom="fast", **goal))
    (row,) = judge(measured, SECONDS)
    assert row.verdict == verdict


def test_the_table_has_a_line_for_every_claim() -> None:
    claims = Claim(text="both", top="slow", bottom="fast"), Claim(text="one", top="slow", at_most=1)
    _, both, one = as_table(judge(case(FakeMachine(), *claims), SECONDS)).splitlines()
    assert re.split("  +", both)[:3] == ["a case: both", "3 x", "2..4"]
    for cell in ("a case: one", "6 s", "4..80", "3 s", "at most 1 s", "missed", "slow 6"):
        assert cell in one


# The lab's boundary, an eighth of a quarter note, has to be a whole number of ticks.
notes = st.lists(
    st.tuples(st.integers(0, 1500), st.integers(1, 400), st.integers(22, 103)), max_size=25
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(parts=[[(1123, 400, 60)]], resolution=96)
@given(parts=st.lists(notes, min_size=1, max_size=3), resolution=st.sampled_from([96, 128, 480]))
def test_the_lab_s_reading_loop_finds_our_frames(
    parts: list[list[tuple[int, int, int]]], resolution: int, tmp_path: Path
) -> None:
    rows = [[(start, start + n, pitch, 80) for start, n, pitch in part] for part in parts]
    song = Song("any", resolution, ()).with_tracks(tuple(Track(note_array(r)) for r in rows))
    path = tmp_path / "any.mid"
    write_midi(song, path)
    lab, read = lab_frames(path), read_midi(path)
    ours = Lab2018().encode(read).frames
    # The file's end-of-track event stands a tick after the last note: to the lab that is another
    # frame where it crosses a boundary, to our reader it is no event.
    last, after = to_steps(np.array([read.end, read.end + 1]), resolution)
    assert len(lab) == len(ours) + after - last
    assert np.array_equal(lab[: len(ours)], ours)


@pytest.mark.parametrize(("tick", "frames"), [(0, 1), (4800, 41)])
def test_the_lab_s_reading_loop_stops_where_ours_does(
    tick: int, frames: int, tmp_path: Path
) -> None:
    song = Song("waltz", 480, (), metres=(Metre(tick, 3, 4),))
    song = song.with_tracks((Track(note_array([(0, 9000, 60, 80)])),))
    write_midi(song, tmp_path / "waltz.mid")
    ours = Lab2018().encode(read_midi(tmp_path / "waltz.mid")).frames
    assert len(lab_frames(tmp_path / "waltz.mid")) == len(ours) == frames


def test_the_lab_s_reading_loop_finds_our_frames_in_its_snippets(lab_folder: Path) -> None:
    # All of the 88 but one frame: a note that "Pompeii - Chorus" never ends sounds on in the lab.
    for path in sorted(lab_folder.glob("*.midi"))[::20]:
        assert np.array_equal(lab_frames(path), Lab2018().encode(read_midi(path)).frames), path


@pytest.fixture
def data(make_corpus: MakeCorpus) -> SongData:
    songs = SongData(
        source=None,
        root=str(make_corpus(12)),
        encoding=Lab2018(min_steps=20),
        split=Fractions(val=0.2, test=0.2, split_seed=0),
        window=8,
        supervise="last",
        draw="songs",
        batch_size=6,
        seed=0,
    )
    songs.setup()
    return songs


@pytest.fixture
def predictor(data: SongData) -> NotePredictor:
    torch.manual_seed(0)
    return NotePredictor(
        encoding=data.encoding,
        net=partial(NoteLSTM, hidden=8),
        supervise="last",
        loss=torch.nn.CrossEntropyLoss(),
        optimizer=partial(torch.optim.Adam, lr=0.01),
        scheduler=partial(torch.optim.lr_scheduler.ConstantLR, factor=1.0),
        seed=0,
    )


def test_the_lab_s_batch_is_ours(data: SongData) -> None:
    table, items = data.tables[TRAIN], data.batch_plan().indices(0)
    batch = data.fetch(TRAIN, items)
    songs, starts, _ = data.items[TRAIN][items].numpy().T
    first = starts - table.offsets[songs] - 1  # our window begins before the frame it predicts
    draws = iter(np.stack([songs, first], axis=1).ravel().tolist())
    scripted = SimpleNamespace(integers=lambda high: next(draws))
    matrices = [lab_one_hot(entry.encoded.frames) for entry in table.entries]
    inputs, targets = lab_batch(matrices, scripted, timesteps=8, batch_size=len(items))
    assert torch.equal(data.encoding.features(batch["context"], batch["positions"]), inputs)
    expected = torch.from_numpy(lab_one_hot(batch["targets"][:, -1].clamp(min=-1).numpy()))
    assert torch.equal(expected.float(), targets)


def test_the_lab_s_generation_is_ours_with_a_window(
    data: SongData, predictor: NotePredictor
) -> None:
    primer = data.tables[TRAIN].entries[0].encoded.frames[:8]
    drawn = lab_generate(predictor.eval().net, primer, notes=30, rng=np.random.default_rng([5, 0]))
    positions = bar_positions(COMMON_TIME, 38)[None]
    options = {"head": predictor.head, "sampler": Sampler(window=8), "seed": 5}
    ours = sample(predictor.next_inputs, primer[None], positions, **options)
    assert ours[0, 8:].tolist() == drawn


@pytest.mark.parametrize("clip", [None, 0.1])
def test_the_plain_loop_learns_what_the_trainer_learns(
    data: SongData, predictor: NotePredictor, clip: float | None, tmp_path: Path
) -> None:
    weights = {name: value.clone() for name, value in predictor.state_dict().items()}
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = Trainer(
        accelerator="cpu", max_steps=5, gradient_clip_val=clip, limit_val_batches=0,
        default_root_dir=tmp_path, enable_model_summary=False, **quiet,
    )  # fmt: skip
    trainer.fit(predictor, datamodule=data)
    learned = {name: value.clone() for name, value in predictor.state_dict().items()}
    predictor.load_state_dict(weights)
    plain_loop(predictor, data, steps=5, clip=clip)
    for name, value in predictor.state_dict().items():
        torch.testing.assert_close(value, learned[name])
    assert any(not torch.equal(learned[name], weights[name]) for name in weights)
