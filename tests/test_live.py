"""What TensorBoard would show, read back from the run folders with TensorBoard's own reader."""

import copy
import json
import sys
import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from dlcourse.errors import InputError
from dlcourse.live import LiveCurves
from dlcourse.metrics_file import read_metrics
from dlcourse.training import train
from tests.composing import QUICK, composed, saved

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
EVERYTHING = {"scalars": 0, "images": 0, "audio": 0, "tensors": 0}


def shown(folder: Path) -> Any:
    """A run as TensorBoard reads it."""
    events = accumulator.EventAccumulator(str(folder), size_guidance=EVERYTHING)
    return events.Reload()


def curve(folder: Path, name: str) -> dict[int, float]:
    """The values of a curve by step; a step that comes twice is a defect."""
    points = [(point.step, point.value) for point in shown(folder).Scalars(name)]
    assert len(dict(points)) == len(points)
    return dict(points)


def session_columns(folder: Path) -> dict[str, Any]:
    """The columns of a run as the page of hyperparameters gets them."""
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    content = shown(folder).SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    told = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in told.items()}


def test_a_run_s_curves_are_those_of_its_csv_and_its_songs_can_be_played(tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "loss-focal_seed-0"
    options = [o for o in QUICK if o != "~callbacks.songs"]
    options += ["callbacks.songs.songs=2", "callbacks.songs.bars=1", "logger=tensorboard"]
    train(saved(composed(folder, *options, quick=False)))
    tags = shown(folder).Tags()
    assert sum(tag.startswith("songs") for tag in tags["audio"]) == 2
    assert sum(tag.startswith("rolls") for tag in tags["images"]) == 2
    assert any(tag.startswith("predictions") for tag in tags["tensors"])
    rows = read_metrics(folder / "metrics.csv")
    names = {name for row in rows.values() for name in row}
    assert {"train/loss", "train/rate", "val/nll", "test/nll"} <= names
    for name in names:
        expected = {step: row[name] for step, row in rows.items() if name in row}
        assert curve(folder, name) == pytest.approx(expected, rel=1e-6), name


def test_a_run_that_goes_on_replaces_what_was_logged_beyond_its_step(tmp_path: Path) -> None:
    first = LiveCurves(str(tmp_path))
    for step in (5, 10, 15, 20):
        first.log_metrics({"train/loss": 1.0}, step)
    first.save()  # and then it is killed
    second = LiveCurves(str(tmp_path))
    for step in (15, 20):
        second.log_metrics({"train/loss": 2.0}, step)
    second.finalize("success")
    assert curve(tmp_path, "train/loss") == {5: 1.0, 10: 1.0, 15: 2.0, 20: 2.0}


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_test_after_the_training_hides_nothing_of_it(ranks: int, tmp_path: Path) -> None:
    logger = LiveCurves(str(tmp_path))
    parent = logger if ranks == 1 else copy.copy(logger)  # several ranks train in other processes
    logger.log_metrics({"train/loss": 1.0, "val/nll": 3.0}, 20)
    logger.finalize("success")
    parent.log_metrics({"test/nll": 2.0}, 20)
    parent.finalize("success")
    read = [curve(tmp_path, name) for name in ("train/loss", "val/nll", "test/nll")]
    assert read == [{20: 1.0}, {20: 3.0}, {20: 2.0}]


def test_a_reader_sees_a_running_run(tmp_path: Path) -> None:
    logger = LiveCurves(str(tmp_path))
    logger.log_metrics({"train/loss": 1.0}, 5)
    logger.save()
    events = shown(tmp_path)
    logger.log_metrics({"train/loss": 0.5}, 10)
    logger.save()
    events.Reload()
    assert [point.step for point in events.Scalars("train/loss")] == [5, 10]


def test_columns_are_the_chosen_options_the_seed_and_what_was_typed(tmp_path: Path) -> None:
    choices = {"loss": "focal", "optimizer@task.optimizer": "sgd", "hydra/launcher": "basic"}
    config = {"seed": 3, "net": {"hidden": 8, "layers": 1}, "trainer": {"limit_test_batches": 0.5}}
    notes = {
        ".hydra/hydra.yaml": {"hydra": {"runtime": {"choices": choices}}},
        ".hydra/overrides.yaml": ["loss=focal", "net.hidden=8", "+trainer.limit_test_batches=0.5"],
        "config.yaml": config,
    }
    (tmp_path / ".hydra").mkdir()
    for name, content in notes.items():
        OmegaConf.save(OmegaConf.create(content), tmp_path / name)
    logger = LiveCurves(str(tmp_path))
    logger.log_metrics({"val/nll": 1.0}, 1)
    logger.finalize("success")
    assert session_columns(tmp_path) == {
        "choice.loss": "focal",
        "choice.optimizer": "sgd",
        "seed": 3,
        "net.hidden": 8,
        "trainer.limit_test_batches": 0.5,
    }


def test_pictures_sounds_and_tables_come_back_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "step-1.png")
    rate, sound = 16_000, (rng.uniform(-0.5, 0.5, 800) * 32767).astype("<i2")
    for name in ("one.wav", "two.wav"):
        with wave.open(str(tmp_path / name), "wb") as out:
            out.setparams((1, 2, rate, 0, "NONE", ""))
            out.writeframes(sound.tobytes())
    logger = LiveCurves(str(tmp_path / "run"))
    logger.log_image("maps", [tmp_path / "step-1.png"], step=7, caption=["step-1"])
    logger.log_audio("songs", [str(tmp_path / n) for n in ("one.wav", "two.wav")], step=7)
    logger.log_table("predictions", ["file", "p"], [["a.png", 0.25], ["b.png", 0.75]], step=7)
    logger.finalize("success")
    events = shown(tmp_path / "run")
    (picture,) = events.Images("maps")
    assert picture.step == 7
    assert np.array_equal(np.asarray(Image.open(BytesIO(picture.encoded_image_string))), pixels)
    assert events.Tags()["audio"] == ["songs/one", "songs/two"]
    (heard,) = events.Audio("songs/two")
    with wave.open(BytesIO(heard.encoded_audio_string)) as back:
        assert back.getframerate() == rate
        frames = np.frombuffer(back.readframes(len(sound)), "<i2").astype(int)
    assert np.abs(frames - sound).max() <= 1
    (text,) = events.Tensors("predictions/text_summary")
    assert b"| b.png | 0.75 |" in text.tensor_proto.string_val[0]


def test_without_tensorboard_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    config = composed(tmp_path / "run", *QUICK, "logger=tensorboard", quick=False)
    with pytest.raises(InputError, match=r"pip install 'dlcourse\[live\]'") as error:
        train(saved(config))
    assert "\n" not in str(error.value)
    outcome = json.loads((tmp_path / "run" / "outcome.json").read_text())
    assert "dlcourse[live]" in outcome["error"]
