"""What a comparison is made of: a record a run, a group a setting, differences paired by seed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run, or a job of a sweep's plan that never ran.

    Attributes:
        name: Of the run folder, or of the job; unique within the comparison.
        folder: The run folder; None for a job that is missing.
        state: "done", "failed", "pruned", "running", "stopped" or "missing".
        error: The last line of what went wrong.
        options: What it was composed of, flat and as text: the chosen file of every group
            ("loss": "focal") and every value of the config ("net.hidden": "64", "seed": "0").
        metrics: The numbers of the test split by name ("nll", "auroc").
        tested: What it was tested on, as text: unit, what was scored, counts of the test split.
            Runs that differ in it are not comparable.
        intervals: 95 % intervals of some of them, from resampling songs or patients in one run.
        baselines: The same numbers for trivial models on the same test split, by their name.
        curves: Values by optimizer step and name ("train/loss", "val/nll").
        times: Seconds of training since the start by optimizer step.
        seconds: Wall seconds of the whole run; None when it is not known.
        command: The exact line that runs it again.
        provenance: Revision, changes, versions, machine, as `provenance.json` has them.
        gallery: Pictures and sounds; equal keys in two runs show the same patient or song.
        overlays: Curves to lay over those of other runs (ROC, calibration), by title.
    """

    name: str
    folder: Path | None
    state: str
    error: str | None = None
    options: dict[str, str]
    metrics: dict[str, float] = field(default_factory=dict)
    tested: dict[str, str] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    curves: dict[int, dict[str, float]] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    seconds: float | None = None
    command: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    gallery: list[dict[str, str]] = field(default_factory=list)
    overlays: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A metric over the seeds of one setting: mean, sample standard deviation, number of runs.

    Attributes:
        sd: None for a single run, which says nothing of a spread.
    """

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Group:
    """The runs that differ in nothing but their seed.

    Attributes:
        options: The varying options, without the seed.
        records: All of them, done or not.
        spreads: By metric, over those that are done.
    """

    options: dict[str, str]
    records: list[Record]
    spreads: dict[str, Spread]

    @property
    def label(self) -> str:
        """Its values, short: "focal, sgd"; all options' names are in the table's header."""
        return ", ".join(self.options.values()) or "all runs"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One setting minus another in the yardstick, paired by seed.

    Attributes:
        mean: Of the differences over the `n` seeds that both have.
        interval: 95 %, from Student's t over the seeds; None for fewer than two.
        p: Two-sided, of the same t, adjusted by Holm's method for all settings that are compared.
    """

    group: str
    reference: str
    mean: float
    interval: tuple[float, float] | None
    n: int
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The main effect of a varying option: the yardstick's mean over all runs with each value.

    Attributes:
        option: The key, as "optimizer".
        means: Spread by value over the seeds; what counts for a seed is its mean over the groups.
        balanced: Whether every value was run with the same other settings and seeds; else the
            means are not comparable.
    """

    option: str
    means: dict[str, Spread]
    balanced: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that the tables and the page show.

    Attributes:
        title: Name of the sweep, or of what was compared.
        folder: Where the report goes.
        records: All runs and missing jobs, in the order of the sweep.
        varying: Options that differ between them, without the seed; those that only follow from
            another one (an optimizer's own learning rate) are left out.
        yardstick: The metric by which settings are compared, as "nll".
        lower_is_better: Direction of the yardstick.
        unit: Unit and kind of the yardstick, in words.
        groups: By setting, the best mean first.
        baselines: Trivial models' mean of each metric, where all runs share the test split.
        differences: Every group against the best one, paired by seed.
        effects: One for each varying option.
        verdict: One sentence with its uncertainty; never a ranking from one seed.
        notes: What a reader has to know: losses that cannot be compared, folds, runs left out.
    """

    title: str
    folder: Path
    records: list[Record]
    varying: list[str]
    yardstick: str
    lower_is_better: bool
    unit: str
    groups: list[Group]
    baselines: dict[str, dict[str, float]]
    differences: list[Difference]
    effects: list[Effect]
    verdict: str
    notes: list[str]
