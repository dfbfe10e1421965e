"""The score card of a batch of songs: numbers beside those of real songs, as plain data."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlcourse.files import write_json
from dlcourse.music.scorecard.memorisation import Shared
from dlcourse.music.scorecard.spread import OUTSIDE, Spread, spread
from dlcourse.music.scorecard.table import HEADER, LABELS, NOTHING, number, overlap_row, spread_row

SCORECARD_FILE = "scorecard.json"


@dataclass(frozen=True)
class SongScore:
    """One new song.

    Attributes:
        name: Its file's, without suffix.
        metrics: By name; None where undefined.
        marks: "low" or "high" for each metric outside the range of real songs.
        shared: By view, what the song shares with a training song.
        warning: Which song it copies, where; "" where it shares no more than real songs do.
    """

    name: str
    metrics: dict[str, float | None]
    marks: dict[str, str]
    shared: dict[str, Shared | None]
    warning: str = ""


@dataclass(frozen=True)
class Overlap:
    """How far the distribution of a feature overlaps with that of held-out songs, 0 to 1.

    Attributes:
        songs: Of the new songs; None where they or the held-out songs have no value.
        real: Of as many training songs, over random choices.
        mark: "low" where fewer than 5 % of these overlap less.
    """

    songs: float | None
    real: Spread | None
    mark: str = ""


@dataclass(frozen=True)
class ScoreCard:
    """A batch of new songs beside real ones.

    Attributes:
        part: What was read of every song: "melody", "top line" or "all notes".
        steps_per_quarter: The grid.
        songs: One score each.
        real: By metric, the spread of real songs cut to the length of the new ones: of held-out
            songs, and for what is copied of training songs against those of other groups.
        overlaps: By feature.
    """

    part: str
    steps_per_quarter: int
    songs: tuple[SongScore, ...]
    real: dict[str, Spread | None]
    overlaps: dict[str, Overlap]

    def spread(self, metric: str) -> Spread | None:
        """Of the new songs; None where the metric is undefined for all of them."""
        return spread(song.metrics[metric] for song in self.songs)

    def as_json(self) -> dict[str, Any]:
        """Everything, and the spreads of the new songs, as objects that JSON knows."""
        spreads = {metric: self.spread(metric) for metric in self.real}
        return asdict(self) | {
            "songs": [asdict(song) for song in self.songs],
            "spread": {metric: found and asdict(found) for metric, found in spreads.items()},
        }

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a table, a metric or an overlap to a row; marks in brackets."""
        rows = [
            spread_row(LABELS[metric], self.spread(metric), real, outside=self._outside(metric))
            for metric, real in self.real.items()
        ]
        rows += [
            overlap_row(feature, overlap.songs, overlap.real, mark=overlap.mark)
            for feature, overlap in self.overlaps.items()
        ]
        return HEADER, rows

    @property
    def caption(self) -> str:
        """What the table of `rows` shows, in words."""
        views = len(self.songs[0].shared)
        low, high = 100 * OUTSIDE / views, 100 - 100 * OUTSIDE / views
        copies = f" ({low:g} to {high:g} % for the longest figures)" if views > 1 else ""
        return (
            f"Medians over songs, and ranges from 5 to 95 % of them{copies}; {self.part} on a grid "
            f"of {self.steps_per_quarter} steps a quarter. Real songs are held-out songs cut to "
            f"the length of these; for what training songs have, each of them beside the others; "
            f"for overlaps, as many training songs as there are songs here."
        )

    def song_rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a table, a song to a row; marks in brackets."""
        rows = [
            [
                song.name,
                *(number(v, mark=song.marks.get(m, "")) for m, v in song.metrics.items()),
                song.warning or NOTHING,
            ]
            for song in self.songs
        ]
        return ["song", *(LABELS[metric] for metric in self.real), "copies"], rows

    def _outside(self, metric: str) -> str:
        """How many songs are out of the range of real songs."""
        marked = sum(metric in song.marks for song in self.songs)
        return f"{marked} of {len(self.songs)}" if self.real[metric] else NOTHING


def write_scorecard(card: ScoreCard, folder: str | Path) -> Path:
    """Write `scorecard.json` into a folder, whole or not at all; its path."""
    path = Path(folder) / SCORECARD_FILE
    write_json(path, card.as_json())
    return path
