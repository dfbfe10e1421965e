"""What a search found: `study.md`, `trials.csv`, `history.png`, and the best trial to run again."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from dlcourse.files import write_rows, write_text
from dlcourse.runs import DONE, FAILED, PRUNED, Run
from dlcourse.search.experiment_file import experiment_file
from dlcourse.search.space import column
from dlcourse.search.study import shown_state
from dlcourse.search.trial_queue import TrialQueue, trial_name
from dlcourse.text_tables import as_markdown

if TYPE_CHECKING:  # an extra
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)
_SHOWN = 10  # of the best trials
_ENOUGH = 10  # trials that are done, before importances say anything

HONEST = """\
The value is the smallest of {n} trials on the validation split: chosen for that, it flatters.
What these options are worth is the number on the test split{test}.

Every trial was trained once, and seeds differ too: before you call a line of the table better than
another one, train it with several seeds:

    python scripts/train.py -m --config-dir={folder} experiment=best seed=1,2,3
"""


@dataclass(frozen=True)
class BestTrial:
    """The trial with the smallest value, and its run.

    Attributes:
        value: Of the monitored metric.
        test: The same metric on the test split; None where the run does not report it.
    """

    number: int
    run: Run
    monitor: str
    value: float
    test: float | None

    @classmethod
    def of(cls, queue: TrialQueue, monitor: str) -> "BestTrial | None":
        """Among the trials that are done; None if there are none."""
        done = [t for t in _trials(queue) if shown_state(t.state) == DONE]
        if not done:
            return None
        trial = min(done, key=lambda t: (t.value, t.number))
        run = Run(queue.folder / trial_name(trial.number))
        tested = ((run.results or {}).get("test") or {}).get("model") or {}
        test = tested.get(monitor.rpartition("/")[2])
        return cls(trial.number, run, monitor, trial.value, test)

    @property
    def worth(self) -> str:
        """Both numbers, in words."""
        name = self.monitor.rpartition("/")[2]
        test = "" if self.test is None else f", on the test split {name} {self.test:.4f}"
        return f"{self.monitor} {self.value:.6g}{test}"

    def experiment(self, command: str, counts: str) -> str:
        """The text of an experiment file with the same config."""
        config = OmegaConf.load(self.run.folder / ".hydra" / "config.yaml")
        comments = [
            f"Expected: {self.worth}.",
            f"Trial {self.number} of a search ({counts}); its rate belongs to its optimizer.",
            command,
        ]
        return experiment_file(self.run.overrides, self.run.choices, config, comments=comments)


def write_study_report(queue: TrialQueue, *, monitor: str, command: str) -> float | None:
    """Write the files into the study's folder, and the essence into the log.

    Returns:
        The best value; None while no trial is done.
    """
    from dlcourse.search.figure import draw_history

    with queue.lock:  # one worker at a time
        trials, best = _trials(queue), BestTrial.of(queue, monitor)
        counts = _counts(trials)
        _write_table(queue, trials)
        if best is not None:
            path = queue.folder / "experiment" / "best.yaml"
            write_text(path, best.experiment(command, counts))
            picture = queue.folder / "history.png"
            draw_history(trials, importances(queue), picture, label=monitor)
        write_text(queue.folder / "study.md", _markdown(queue, best, command))
    if best is None:
        log.info("%s: %s", shown(queue.folder), counts)
        return None
    place, options = shown(queue.folder), " ".join(_varied(queue, best.run))
    log.info("%s: %s; best: trial %d: %s; %s", place, counts, best.number, best.worth, options)
    log.info("again: python scripts/train.py --config-dir=%s experiment=best", place)
    return best.value


def importances(queue: TrialQueue) -> dict[str, float]:
    """The share of each dimension in what tells good trials from bad; nothing for few trials.

    Source: Watanabe et al., PED-ANOVA, IJCAI 2023.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    done = [t for t in _trials(queue) if shown_state(t.state) == DONE]
    if len(done) < _ENOUGH or len({t.value for t in done}) < 2:
        return {}
    return get_param_importances(queue.study, evaluator=PedAnovaImportanceEvaluator())


def shown(folder: Path) -> Path:
    """A folder as it is typed: from here, if it lies below."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _trials(queue: TrialQueue) -> "list[FrozenTrial]":
    return queue.study.get_trials(deepcopy=False)


def _counts(trials: "Iterable[FrozenTrial]") -> str:
    """`32 done, 7 pruned, 1 failed`."""
    counts = Counter(shown_state(t.state) for t in trials)
    order = [DONE, PRUNED, FAILED, *sorted(counts.keys() - {DONE, PRUNED, FAILED})]
    return ", ".join(f"{counts[state]} {state}" for state in order)


def _varied(queue: TrialQueue, run: Run) -> list[str]:
    """What was searched, as the run was told it."""
    return [o for o in run.overrides if o.partition("=")[0] in queue.plan.space]


def _write_table(queue: TrialQueue, trials: "Sequence[FrozenTrial]") -> None:
    """`trials.csv`: a line for every trial, with its last step and what went wrong."""
    space = list(queue.plan.space)
    columns = [column(key, dimension) for key, dimension in queue.plan.space.items()]
    rows: list[list[object]] = [["trial", "state", "value", "step", "seconds", *columns, "error"]]
    for t in trials:
        told = t.user_attrs
        row = [t.number, shown_state(t.state), t.value, t.last_step, told.get("seconds")]
        rows.append([*row, *(t.params.get(key) for key in space), told.get("error")])
    write_rows(queue.folder / "trials.csv", rows)


def _markdown(queue: TrialQueue, best: BestTrial | None, command: str) -> str:
    trials = _trials(queue)
    lines = [
        f"# Search {as_markdown(queue.folder.name)}",
        "",
        f"    {command}",
        "",
        f"{_counts(trials)}.",
        "",
    ]
    if best is not None:
        test = "" if best.test is None else f", {best.test:.4f}"
        tried = sum(shown_state(t.state) in (DONE, PRUNED) for t in trials)
        lines += [f"**Best: trial {best.number}, {best.worth}.**", ""]
        lines += [f"    {' '.join(_varied(queue, best.run))}", ""]
        lines += [HONEST.format(n=tried, test=test, folder=shown(queue.folder))]
        lines += ["![values and importances](history.png)", "", *_table(queue, best.monitor), ""]
    failed = [t for t in trials if shown_state(t.state) == FAILED]
    if failed:
        lines += ["## Failed", ""]
        errors = {t.number: as_markdown(t.user_attrs.get("error") or "killed") for t in failed}
        lines += [f"- trial {number}: {error}" for number, error in errors.items()]
    return "\n".join(lines).rstrip() + "\n"


def _table(queue: TrialQueue, monitor: str) -> list[str]:
    """The best trials, best first."""
    done = [t for t in _trials(queue) if shown_state(t.state) == DONE]
    lines = [f"| trial | {monitor} | options |", "|---|---|---|"]
    for t in sorted(done, key=lambda t: (t.value, t.number))[:_SHOWN]:
        options = " ".join(_varied(queue, Run(queue.folder / trial_name(t.number))))
        lines.append(f"| {t.number} | {t.value:.4f} | {as_markdown(options)} |")
    return lines
