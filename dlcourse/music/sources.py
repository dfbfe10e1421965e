"""Where songs come from when no folder is given: composed here, or fetched from a pinned commit."""

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from dlcourse.download import GitFolder, fetch_git_folder
from dlcourse.music import composer
from dlcourse.music.midi import MIDI_SUFFIXES
from dlcourse.progress import progress_bar


class Source(Protocol):
    """Something that leaves a folder of MIDI files below a data folder."""

    def folder(self, data_dir: Path) -> Path:
        """The folder; made on the first call, found on the next."""
        ...


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Songs written by `composer`: the same ones everywhere, without a download."""

    songs: int
    seed: int = 0

    def folder(self, data_dir: Path) -> Path:
        """See `Source`. A changed composer gets a new folder."""
        code = hashlib.sha1(Path(composer.__file__).read_bytes()).hexdigest()[:8]
        folder = data_dir / f"composed-{self.songs}-{self.seed}-{code}"
        composer.compose_corpus(
            folder,
            songs=self.songs,
            seed=self.seed,
            progress=lambda items: progress_bar(items, "composing songs", total=self.songs),
        )
        return folder
