"""The curves, pictures and sounds of runs as TensorBoard shows them while they train: no account.

The event files lie in the run folders themselves, so that a folder of runs is a dashboard of them,
a run that is removed is gone from it, and workers of one sweep do not share a file.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger

from dlcourse.errors import InputError
from dlcourse.options import saved_options
from dlcourse.runs import Run
from dlcourse.text_tables import markdown_table

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FLUSH = 5  # seconds until a page can see what was logged; a kill loses no more than that
ROWS = 100  # of a table at most: it is shown as text


class LiveCurves(Logger):
    """A run as TensorBoard reads it from the run folder, named after the folder.

    A run that goes on, or begins anew, in the same folder replaces what an earlier process logged
    from its first step on, as `CurveLogger` does.

    Args:
        folder: The run folder; it knows the columns, see `columns`.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        _check_installed()
        self.folder = Path(folder)
        self._writer: SummaryWriter | None = None
        self._earlier = self._event_files()

    @property
    def name(self) -> str:
        """As Lightning asks."""
        return "tensorboard"

    @property
    def version(self) -> int:
        """As Lightning asks."""
        return 0

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run folder has the config."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add a value to each of the curves."""
        writer = self._open(step)
        for name, value in metrics.items():
            writer.add_scalar(name, float(value), step)

    @rank_zero_only
    def log_image(
        self,
        key: str,
        images: Sequence[str | Path],
        step: int | None = None,
        *,
        caption: Sequence[str] | None = None,
    ) -> None:
        """Add picture files; signature of W&B's logger."""
        import numpy as np
        from PIL import Image

        for name, path in _tags(key, images, caption):
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))  # (H, W, 3)
            self._open(step).add_image(name, pixels, step, dataformats="HWC")

    @rank_zero_only
    def log_audio(
        self,
        key: str,
        audios: Sequence[str | Path],
        step: int | None = None,
        *,
        caption: Sequence[str] | None = None,
    ) -> None:
        """Add sound files, their channels mixed into one; signature of W&B's logger."""
        import soundfile

        for name, path in _tags(key, audios, caption):
            sound, rate = soundfile.read(path, dtype="float32", always_2d=True)  # (T, C)
            self._open(step).add_audio(name, sound.mean(axis=1)[None], step, sample_rate=rate)

    @rank_zero_only
    def log_table(
        self,
        key: str,
        columns: Sequence[str],
        data: Iterable[Sequence[Any]],
        step: int | None = None,
    ) -> None:
        """Add the first `ROWS` rows of a table as text; signature of W&B's logger."""
        rows = [[str(cell) for cell in row] for row in list(data)[:ROWS]]
        self._open(step).add_text(key, "\n".join(markdown_table(columns, rows)), step)

    @rank_zero_only
    def save(self) -> None:
        """Write what waits in memory."""
        if self._writer is not None:
            self._writer.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write, and let the file go; the test after the training opens another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _event_files(self) -> set[Path]:
        return set(self.folder.glob("events.out.tfevents.*"))

    def _open(self, step: int | None) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # Of several ranks a child has trained, and the parent tests: it replaces nothing.
            has_begun = bool(self._event_files() - self._earlier)
            first = None if has_begun else step
            self._writer = SummaryWriter(str(self.folder), purge_step=first, flush_secs=FLUSH)
            if not has_begun:
                self._describe(self._writer)
        return self._writer

    def _describe(self, writer: "SummaryWriter") -> None:
        """Tell the run's columns.

        Not those of all runs: TensorBoard believes the first run that it finds, and hides what
        others have besides, https://github.com/tensorflow/tensorboard/issues/5596.
        """
        from torch.utils.tensorboard.summary import hparams

        _, session, _ = hparams(columns(self.folder), {})
        writer.file_writer.add_summary(session)


def columns(folder: str | Path) -> dict[str, Any]:
    """What a run is told apart by: `choice.<group>`, the seed, and the values that were typed."""
    run, options = Run(Path(folder)), saved_options(folder)
    typed = {override.partition("=")[0].lstrip("+") for override in run.overrides} | {"seed"}
    values = {key: value for key, value in options.items() if key in typed}
    return {
        **{f"choice.{group.partition('@')[0]}": option for group, option in run.choices.items()},
        **{k: v if isinstance(v, (bool, int, float)) else str(v) for k, v in values.items()},
    }


def _tags(
    key: str, paths: Sequence[str | Path], caption: Sequence[str] | None
) -> list[tuple[str, Path]]:
    """One name for a single file, so that a slider leads through its steps."""
    names = caption or [Path(path).stem for path in paths]
    tags = [key] if len(paths) == 1 else [f"{key}/{name}" for name in names]
    return [(tag, Path(path)) for tag, path in zip(tags, paths, strict=True)]


def _check_installed() -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise InputError(
            "logger=tensorboard: TensorBoard is not installed: pip install 'dlcourse[live]', or "
            "logger=csv"
        ) from error
