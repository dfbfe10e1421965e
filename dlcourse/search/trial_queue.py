"""The trials of a search, handed out to workers that know nothing of each other.

<study>/journal.log              what Optuna knows: parameters, values, states
<study>/study.lock               held while somebody decides what comes next
<study>/trial-0007/              a run folder, see `runs`
<study>/trial-0007/worker.lock   held by who works on the trial, until the journal knows the outcome

Whose lock is free is dead, whatever the journal says: a trial that a kill left behind is taken
over by the next worker, at once and under its own number.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from dlcourse.runs import DONE, FAILED, PRUNED
from dlcourse.search.study import Plan, distribution, open_study, sampler, shown_state

if TYPE_CHECKING:  # an extra
    from optuna import Trial
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Claim:
    """A trial that is ours until its outcome is told."""

    trial: "Trial"
    folder: Path

    @property
    def number(self) -> int:
        """From 0, in the order in which they were drawn."""
        return self.trial.number

    @property
    def values(self) -> dict[str, Any]:
        """What was drawn, by dimension."""
        return self.trial.params

    def hopeless(self, step: int, value: float) -> bool:
        """Note the monitored value at a step; whether the trial is to be given up for it."""
        told = self._frozen().intermediate_values
        if step not in told and math.isfinite(value):  # one that goes on has told some already
            self.trial.report(value, step)
        return self.trial.should_prune()

    def tell(self, outcome: Mapping[str, Any]) -> str:
        """Note how the trial ended, as its `outcome.json` has it; returns done, pruned or failed.

        A run that is done and has no finite value has failed as a trial.
        """
        from optuna.trial import TrialState

        state, value = outcome["state"], outcome["value"]
        if state == DONE and value is None:
            state, outcome = FAILED, {**outcome, "error": "the monitored value is not finite"}
        self.trial.set_user_attr("seconds", outcome.get("seconds"))
        self.trial.set_user_attr("error", outcome["error"])
        words = {DONE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED, FAILED: TrialState.FAIL}
        self.trial.study.tell(self.number, value if state == DONE else None, words[state])
        return state

    @property
    def error(self) -> str:
        """Why it is not done, once it has been told."""
        return str(self._frozen().user_attrs.get("error"))

    def _frozen(self) -> "FrozenTrial":
        return self.trial.study.get_trials(deepcopy=False)[self.number]


class TrialQueue:
    """The trials of a study, handed out one by one to whoever asks.

    Args:
        folder: Of the study.

    Raises:
        InputError: Optuna is not installed, or the study in the folder searches another space.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / "study.lock")
        with self.lock:
            self.study = open_study(folder, plan)

    @property
    def finished(self) -> int:
        """Trials that count: done or pruned, by any worker."""
        counts = Counter(shown_state(t.state) for t in self.study.get_trials(deepcopy=False))
        return counts[DONE] + counts[PRUNED]

    @contextmanager
    def next_claim(self) -> Iterator[Claim | None]:
        """Hold a trial: one that was left behind, else a new one.

        None when those that are finished and those that others are at make up the total. So several
        workers never begin more than were asked for; a trial that fails is drawn anew by the worker
        that had it.
        """
        with self.lock:
            found = self._left_behind() or self._drawn()
        if found is None:
            yield None
            return
        claim, lock = found
        try:
            yield claim
        finally:
            lock.release()

    def _left_behind(self) -> tuple[Claim, FileLock] | None:
        from optuna import Trial
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            lock = self._worker_lock(trial.number)
            if lock is None:
                continue  # its worker lives
            if trial.params.keys() == self.plan.space.keys():
                claim = Claim(Trial(self.study, trial._trial_id), self._folder(trial.number))
                return claim, lock
            self.study.tell(trial.number, state=TrialState.FAIL)  # killed while it was drawn
            lock.release()
        return None

    def _drawn(self) -> tuple[Claim, FileLock] | None:
        from optuna.trial import TrialState

        at_work = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if self.finished + len(at_work) >= self.plan.trials:
            return None
        number = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = sampler(self.plan, number)
        space = {key: distribution(dimension) for key, dimension in self.plan.space.items()}
        trial = self.study.ask(space)
        lock = self._worker_lock(trial.number)
        assert lock is not None  # new, and nobody else draws now
        return Claim(trial, self._folder(trial.number)), lock

    def _folder(self, number: int) -> Path:
        return self.folder / trial_name(number)

    def _worker_lock(self, number: int) -> FileLock | None:
        """Held; None when a worker has it."""
        folder = self._folder(number)
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / "worker.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock


def trial_name(number: int) -> str:
    """The name of its folder."""
    return f"trial-{number:04d}"
