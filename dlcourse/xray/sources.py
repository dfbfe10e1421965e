"""Where radiographs come from when no folder is given: drawn here; fetched in `nih`, `chestmnist`.

Whatever it is, it ends as a folder in the archive's layout, which one reader reads.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dlcourse.progress import progress_bar
from dlcourse.xray import phantom_corpus


class Source(Protocol):
    """Something that leaves a folder of radiographs below a data folder."""

    def folder(self, data_dir: Path) -> Path:
        """The folder; made on the first call, found on the next."""
        ...


@dataclass(frozen=True, kw_only=True)
class Phantoms:
    """Synthetic radiographs: the same ones everywhere, without a download.

    Args:
        patients: How many; each has one to four images.
        size: Pixels of the square files.
        confounders: Drains and markers: "none", "balanced", or "biased" towards positives.
    """

    patients: int
    seed: int = 0
    size: int = 256
    confounders: str = "balanced"

    def folder(self, data_dir: Path) -> Path:
        """See `Source`. Changed drawing code gets a new folder."""
        code = hashlib.sha1()
        for path in sorted(Path(phantom_corpus.__file__).parent.glob("phantom*.py")):
            code.update(path.read_bytes())
        name = f"{self.patients}-{self.seed}-{self.size}-{self.confounders}"
        folder = data_dir / f"phantoms-{name}-{code.hexdigest()[:8]}"
        phantom_corpus.write_phantoms(
            folder,
            patients=self.patients,
            seed=self.seed,
            size=self.size,
            confounders=self.confounders,
            progress=lambda items: progress_bar(items, "drawing radiographs", total=self.patients),
        )
        return folder
