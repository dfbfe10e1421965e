"""The verdict of a comparison, with its uncertainty."""

from collections import Counter
from collections.abc import Sequence

from dlcourse.comparison.comparable import shared_baselines
from dlcourse.comparison.records import Difference, Group, Record
from dlcourse.comparison.statistics import Yardstick, is_ranked
from dlcourse.comparison.wording import counted, ends, listed, places, setting

MORE_SEEDS = "run again with seed=0,1,2"
_LEVEL = 0.05  # of p-values that are adjusted for all settings
_NAMED = 3  # settings; more are counted


def verdict(
    groups: Sequence[Group], differences: Sequence[Difference], yardstick: Yardstick
) -> str:
    """Which setting is best and by how much, or why nothing of the kind can be said.

    Args:
        groups: The best first, as `group_records` has them.
        differences: Of the others to the first.
    """
    scored = [group for group in groups if yardstick.metric in group.spreads]
    if not scored:
        return _nothing_done([record for group in groups for record in group.records])
    if not is_ranked(groups[0], yardstick):
        sentence = _one_seed_each(scored, yardstick)
    elif len(scored) == 1:
        sentence = f"{setting(groups[0])}: {yardstick.title} {_value(groups[0], yardstick)}."
    else:
        sentence = _ranking(scored, differences, yardstick)
    return sentence + _beaten(scored, yardstick)


def not_comparable(reasons: Sequence[str]) -> str:
    """The verdict on runs that were not tested alike."""
    return f"No ranking: these runs are not to be compared, because {reasons[0]}."


def is_worse(difference: Difference, yardstick: Yardstick) -> bool:
    """Whether a setting is worse than the best beyond what its seeds vary.

    Both its own interval and the p-value that is adjusted for all settings have to say so.
    """
    interval = loss_interval(difference, yardstick)
    return interval is not None and interval[0] > 0 and (difference.p or 0.0) < _LEVEL


def loss_interval(difference: Difference, yardstick: Yardstick) -> tuple[float, float] | None:
    """The interval of what is lost against the best setting, whichever direction is better."""
    if difference.interval is None:
        return None
    low, high = sorted(yardstick.worse_by(end) for end in difference.interval)
    return low, high


def _nothing_done(records: Sequence[Record]) -> str:
    states = Counter(record.state for record in records)
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    return f"No run has test results yet: {counts}."


def _one_seed_each(scored: Sequence[Group], yardstick: Yardstick) -> str:
    if len(scored) == 1:
        value = scored[0].spreads[yardstick.metric].mean
        return (
            f"{setting(scored[0])}: {yardstick.title} {value:.3f} from one seed, which does not "
            f"say how much of it is chance; {MORE_SEEDS}."
        )
    return f"One seed each: no ranking; {MORE_SEEDS}."


def _ranking(
    scored: Sequence[Group], differences: Sequence[Difference], yardstick: Yardstick
) -> str:
    """The best setting against the second one, and what is known of the rest."""
    best, second = scored[0], scored[1]
    lowest = f"the {'lowest' if yardstick.lower_is_better else 'highest'} {yardstick.title}"
    value = _value(best, yardstick)
    if not is_ranked(second, yardstick):
        only = f"only {setting(best)} has more than one seed, {yardstick.title} {value}"
        return f"No ranking: {only}; {MORE_SEEDS}."
    by_label = {difference.group: difference for difference in differences}
    nearest = by_label.get(second.label)
    if nearest is None or nearest.interval is None:
        why = f"it shares fewer than two seeds with {setting(second)}"
        if nearest is not None and nearest.n > 1:
            gap = f"{abs(nearest.mean):.{places([nearest.mean])}f}"
            why = f"{setting(second)} is {gap} apart in every seed, so that none tells of chance"
        return (
            f"No difference is established: {setting(best)} has {lowest}, {value}, but {why}; "
            f"{MORE_SEEDS}."
        )
    rest = _rest(scored[2:], by_label, yardstick)
    behind = f"{setting(second)} is {_loss(nearest, yardstick)}"
    if is_worse(nearest, yardstick):
        return f"{setting(best)} has {lowest}: {value}; {behind}.{rest}"
    return (
        f"No difference is established: {setting(best)} has {lowest}, {value}, but {behind}.{rest}"
    )


def _loss(difference: Difference, yardstick: Yardstick) -> str:
    """`0.021 worse (95 % 0.004 to 0.038)`, with the reason where that does not establish it."""
    loss, interval = yardstick.worse_by(difference.mean), loss_interval(difference, yardstick)
    assert interval is not None
    decimals = places([loss])
    why = ""
    if interval[0] <= 0 <= interval[1]:
        why = ", which includes 0"
    elif not is_worse(difference, yardstick) and difference.p is not None:
        why = f"; p = {difference.p:.2f}, adjusted for all settings"
    direction = "worse" if loss >= 0 else "better"
    if loss < 0:
        loss, interval = -loss, (-interval[1], -interval[0])
    return f"{loss:.{decimals}f} {direction} (95 % {ends(interval, decimals)}{why})"


def _rest(groups: Sequence[Group], differences: dict[str, Difference], yardstick: Yardstick) -> str:
    """Of the settings behind the second one: which are worse than the best beyond doubt."""
    found = [g for g in groups if g.label in differences]
    worse = [setting(g) for g in found if is_worse(differences[g.label], yardstick)]
    if not found:
        return ""
    if not worse:
        return f" None of the other {len(found)} is told apart from it."
    who = listed(worse) if len(worse) <= _NAMED else f"{len(worse)} of the other {len(found)}"
    return f" Worse than it beyond the seeds' variation: {who}."


def _value(group: Group, yardstick: Yardstick) -> str:
    """`0.912 (sd 0.008, 3 seeds)`."""
    own = group.spreads[yardstick.metric]
    decimals = places([own.sd])
    runs = counted(own.n, group.records)
    return f"{own.mean:.{decimals}f} (sd {own.sd:.{decimals}f}, {runs})"


def _beaten(scored: Sequence[Group], yardstick: Yardstick) -> str:
    """A warning when a trivial baseline is as good as every setting on the same test data."""
    best: dict[str, float] = {}
    for place, group in enumerate(scored):
        mean = group.spreads[yardstick.metric].mean
        rows = shared_baselines(group.records)
        values = {n: row[yardstick.metric] for n, row in rows.items() if yardstick.metric in row}
        as_good = {n: v for n, v in values.items() if yardstick.worse_by(mean - v) >= 0}
        best = as_good if place == 0 else {n: v for n, v in best.items() if n in as_good}
    if not best:
        return ""
    name = min(best, key=lambda n: yardstick.worse_by(best[n]))
    return f" No setting beats the trivial baseline {name!r} ({yardstick.title} {best[name]:.3f})."
