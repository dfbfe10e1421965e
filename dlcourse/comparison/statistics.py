"""Settings compared: spreads over seeds, differences paired by seed, main effects."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from dlcourse.comparison.options import REPEATS
from dlcourse.comparison.records import Difference, Effect, Group, Record, Spread
from dlcourse.comparison.student import holm, mean_interval, two_sided_p
from dlcourse.runs import DONE

Repeat = tuple[str, ...]  # the values of REPEATS: runs with equal ones make a pair

# What is asked of every run whatever it was trained on, the first that the results offer. Training
# losses are not: each has a scale of its own.
_YARDSTICKS = {"auroc": False, "nll": True}  # and whether lower is better
ABSENT = "-"  # the value of an option that a run does not have


@dataclass(frozen=True)
class Yardstick:
    """The metric by which settings are compared."""

    metric: str
    lower_is_better: bool

    @property
    def title(self) -> str:
        """As a reader knows it: NLL, AUROC."""
        return self.metric.upper()

    def worse_by(self, difference: float) -> float:
        """A difference of this metric as what is lost by it; negative for a gain."""
        return difference if self.lower_is_better else -difference


def choose_yardstick(records: Iterable[Record]) -> Yardstick:
    """The first of AUROC and NLL that all finished runs have, else the first that any has."""
    offered = [set(record.metrics) for record in records if record.state == DONE and record.metrics]
    in_all = [m for m in _YARDSTICKS if offered and all(m in metrics for metrics in offered)]
    in_any = [m for m in _YARDSTICKS if any(m in metrics for metrics in offered)]
    metric = [*in_all, *in_any, "nll"][0]
    return Yardstick(metric, _YARDSTICKS[metric])


def repeat_of(record: Record) -> Repeat:
    """Which repetition of its setting a run is."""
    return tuple(record.options.get(key, "") for key in REPEATS)


def values_of(records: Iterable[Record], metric: str) -> dict[Repeat, float]:
    """A metric by repetition, over finished runs; the mean of runs that repeat the very same."""
    found: dict[Repeat, list[float]] = {}
    for record in records:
        if record.state == DONE and metric in record.metrics:
            found.setdefault(repeat_of(record), []).append(record.metrics[metric])
    return {repeat: fmean(values) for repeat, values in found.items()}


def spread(values: Sequence[float]) -> Spread:
    """Mean, sample standard deviation and number of at least one value."""
    return Spread(mean=fmean(values), sd=stdev(values) if len(values) > 1 else None, n=len(values))


def group_records(
    records: Sequence[Record], varying: Sequence[str], *, yardstick: Yardstick, ranked: bool = True
) -> list[Group]:
    """The settings; those with two runs or more come first, the best mean before the others.

    Settings with a single run, or none, follow in the order of the records: one seed is no rank.

    Args:
        varying: The options that make a setting.
        ranked: False keeps the order of the records for all.
    """
    members: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        setting = tuple(record.options.get(key, ABSENT) for key in varying)
        members.setdefault(setting, []).append(record)
    groups = [_group(dict(zip(varying, s, strict=True)), own) for s, own in members.items()]
    return sorted(groups, key=lambda g: _rank(g, yardstick)) if ranked else groups


def _group(options: dict[str, str], records: list[Record]) -> Group:
    metrics = dict.fromkeys(m for r in records if r.state == DONE for m in r.metrics)
    spreads = {metric: spread([*values_of(records, metric).values()]) for metric in metrics}
    return Group(options=options, records=records, spreads=spreads)


def _rank(group: Group, yardstick: Yardstick) -> float:
    own = group.spreads.get(yardstick.metric)
    return math.inf if own is None or own.n < 2 else yardstick.worse_by(own.mean)


def is_ranked(group: Group, yardstick: Yardstick) -> bool:
    """Whether a setting was run often enough to have a place among the others."""
    return math.isfinite(_rank(group, yardstick))


def differences_to_best(groups: Sequence[Group], yardstick: Yardstick) -> list[Difference]:
    """Every other setting minus the first one, over the repetitions that both have.

    The intervals are of each difference by itself; the p-values are adjusted for all of them.
    """
    if not groups or not is_ranked(groups[0], yardstick):
        return []
    best, *others = groups
    pairs = [(group, paired(group, best, yardstick.metric)) for group in others]
    pairs = [(group, values) for group, values in pairs if values]
    adjusted = holm([two_sided_p(values) for _, values in pairs])
    return [
        Difference(
            group=group.label,
            reference=best.label,
            mean=fmean(values),
            interval=mean_interval(values),
            n=len(values),
            p=p,
        )
        for (group, values), p in zip(pairs, adjusted, strict=True)
    ]


def paired(group: Group, reference: Group, metric: str) -> list[float]:
    """The differences of two settings over the repetitions that both have."""
    ours, theirs = values_of(group.records, metric), values_of(reference.records, metric)
    return [ours[repeat] - theirs[repeat] for repeat in ours if repeat in theirs]


def main_effects(
    groups: Sequence[Group], varying: Sequence[str], *, yardstick: Yardstick
) -> list[Effect]:
    """What each option with two values or more is worth by itself, averaged over the others."""
    done = [group for group in groups if yardstick.metric in group.spreads]
    effects = [_effect(option, done, yardstick.metric) for option in varying if done]
    return [effect for effect in effects if len(effect.means) > 1]


def _effect(option: str, groups: Sequence[Group], metric: str) -> Effect:
    by_value: dict[str, list[Group]] = {}
    for group in groups:
        by_value.setdefault(group.options[option], []).append(group)
    return Effect(
        option=option,
        means={value: _averaged(own, metric) for value, own in by_value.items()},
        balanced=len({_design(own, option, metric) for own in by_value.values()}) == 1,
    )


def _averaged(groups: Sequence[Group], metric: str) -> Spread:
    """Over repetitions that all groups have; the groups' means without any such."""
    values = [values_of(group.records, metric) for group in groups]
    shared = [repeat for repeat in values[0] if all(repeat in own for own in values)]
    if shared:
        return spread([fmean(own[repeat] for own in values) for repeat in shared])
    return Spread(mean=fmean(group.spreads[metric].mean for group in groups), sd=None, n=1)


def _design(groups: Sequence[Group], option: str, metric: str) -> frozenset[object]:
    """With which other settings, and in which repetitions, a value was run."""
    return frozenset(
        (
            tuple(value for key, value in group.options.items() if key != option),
            frozenset(values_of(group.records, metric)),
        )
        for group in groups
    )
