"""A folder of new songs: what is heard, seen and known of each, and their page."""

from collections.abc import Sequence
from pathlib import Path

from dlcourse import pages
from dlcourse.music.generation import NewSong
from dlcourse.music.render import RenderedSong, render_song, songs_page
from dlcourse.music.scorecard import ScoreCard, write_scorecard
from dlcourse.progress import progress_bar

COLUMNS = "Brackets mark what lies outside the range of real songs."


def write_songs(
    songs: Sequence[NewSong],
    folder: str | Path,
    *,
    facts: dict[str, str],
    command: str,
    card: ScoreCard | None = None,
) -> list[Path]:
    """Leave every song as .mid, .wav and .png, `scorecard.json`, and `index.html` with all of them.

    Args:
        facts: What is true of all of them.
        command: That makes them again.
        card: Of these songs, in this order; without one the page says nothing of the kind.

    Returns:
        The paths of the MIDI files.
    """
    folder, rendered = Path(folder), []
    for number, new in enumerate(progress_bar(songs, "rendering songs")):
        stem = f"song-{number:02d}"
        title = f"Song {number}: {new.made}"
        where = {"seed_end": new.seed_end, "new_end": new.new_end}
        render_song(new.song, folder, stem=stem, title=title, **where)
        copies = card.songs[number].warning if card else ""
        warning = " ".join(filter(None, [new.warning, copies]))
        rendered.append(RenderedSong(title, stem, new.facts | facts, warning=warning))
    if card:
        write_scorecard(card, folder)
    below = _score_card(card) if card else ""
    songs_page(rendered, folder / "index.html", title="New songs", below=below, command=command)
    return [folder / f"{song.stem}.mid" for song in rendered]


def _score_card(card: ScoreCard) -> str:
    """HTML: the batch beside real songs, then every song."""
    return (
        "<h2>Score card</h2>\n"
        + pages.table(*card.rows(), caption=card.caption)
        + pages.table(*card.song_rows(), caption=f"Song by song. {COLUMNS}")
    )
