"""What a reader has to know beside the numbers of a comparison."""

from collections import Counter
from collections.abc import Sequence

from dlcourse.comparison.comparable import finished, folds_of
from dlcourse.comparison.options import FOLD, SEED
from dlcourse.comparison.records import Group, Record
from dlcourse.comparison.statistics import Yardstick, is_ranked, repeat_of
from dlcourse.comparison.verdict import MORE_SEEDS
from dlcourse.comparison.wording import listed, plural, setting
from dlcourse.runs import DONE


def notes(
    records: Sequence[Record],
    groups: Sequence[Group],
    *,
    varying: Sequence[str],
    yardstick: Yardstick,
    reasons: Sequence[str],
) -> list[str]:
    """One sentence or two for each thing that limits what the numbers say.

    Args:
        reasons: Why the runs are not to be compared, if they are not.
    """
    found = [
        _incomparable(reasons),
        _losses(varying, yardstick),
        _left_out(records),
        _without_yardstick(records, yardstick),
        _chosen_on_test(groups, yardstick) if not reasons else "",
        _one_test_split(records, groups, yardstick) if not reasons else "",
        _single_seeds(groups, yardstick) if not reasons else "",
        _unequal_seeds(groups, yardstick),
        _folds(records),
        _repeated(groups),
        _revisions(records),
        _damaged(records),
    ]
    return [note.strip() for note in found if note]


def _incomparable(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    return (
        f"Rows are not to be compared with each other: {', '.join(reasons)}. Compare each with the "
        f"trivial baselines of its own run."
    )


def _losses(varying: Sequence[str], yardstick: Yardstick) -> str:
    keys = [key for key in varying if key.partition(".")[0] == "loss"]
    if not keys:
        return ""
    return (
        f"{listed(keys)} {'varies' if len(keys) == 1 else 'vary'}: training and validation losses "
        f"have scales of their own and are not comparable with each other. Settings are compared "
        f"by {yardstick.title} on the test split, which asks the same of all."
    )


def _left_out(records: Sequence[Record]) -> str:
    states = Counter(record.state for record in records if record.state != DONE)
    if not states:
        return ""
    counts = listed([f"{number} {state}" for state, number in states.items()])
    return f"Left out of all means: {counts}, of {plural(len(records), 'run')}."


def _without_yardstick(records: Sequence[Record], yardstick: Yardstick) -> str:
    names = [r.name for r in records if r.state == DONE and yardstick.metric not in r.metrics]
    if not names:
        return ""
    return f"Done, but without a finite {yardstick.title} on the test split: {listed(names)}."


def _chosen_on_test(groups: Sequence[Group], yardstick: Yardstick) -> str:
    number = sum(is_ranked(group, yardstick) for group in groups)
    if number < 2:
        return ""
    return (
        f"The best of {number} settings was picked by the numbers of the test split, which flatter "
        f"it: expect less on new data, and choose by the validation split what is to be reported. "
        f"Intervals are of one difference at a time. {_adjusted(number - 1)}"
    )


def _one_test_split(
    records: Sequence[Record], groups: Sequence[Group], yardstick: Yardstick
) -> str:
    """How far one run is uncertain for the size of its test split, which no seed tells."""
    if not groups or not is_ranked(groups[0], yardstick) or len(folds_of(records)) > 1:
        return ""
    runs = finished(groups[0].records)
    own = [r.intervals[yardstick.metric] for r in runs if yardstick.metric in r.intervals]
    if not own:
        return ""
    low, high = own[0]
    return (
        f"All intervals are over seeds, on one test split. How far others are from it is not "
        f"in them: resampled, a run of the first setting has {yardstick.title} {low:.3f} to "
        f"{high:.3f}."
    )


def _adjusted(number: int) -> str:
    if number == 1:
        return ""
    # Measured on normal values without a difference, 9 and 18 settings of 3 and 5 seeds.
    return (
        f"p-values are adjusted for {number} of them (Holm), but not for the choice of the best: "
        f"up to one in ten sweeps without any real difference still has a p below 0.05."
    )


def _single_seeds(groups: Sequence[Group], yardstick: Yardstick) -> str:
    single = [
        g for g in groups if yardstick.metric in g.spreads and g.spreads[yardstick.metric].n == 1
    ]
    if not single or len(single) == len(groups):
        return ""
    return (
        f"One seed says nothing of chance; not ranked: "
        f"{'; '.join(setting(group) for group in single)}. To rank them, {MORE_SEEDS}."
    )


def _unequal_seeds(groups: Sequence[Group], yardstick: Yardstick) -> str:
    seeds = {
        frozenset(repeat_of(record) for record in finished(group.records))
        for group in groups
        if yardstick.metric in group.spreads
    }
    if len(seeds) < 2:
        return ""
    return (
        "Not all settings have the same seeds or folds: means are over their own, differences over "
        "shared ones only."
    )


def _folds(records: Sequence[Record]) -> str:
    if len(folds_of(records)) < 2:
        return ""
    what = "Folds" if len({r.options.get(FOLD) for r in records}) > 1 else "Splits"
    return (
        f"{what} test on different data and train on data that overlap: the sd holds how much "
        f"the test data differ, and intervals are somewhat too narrow. Differences are paired "
        f"within fold and seed."
    )


def _repeated(groups: Sequence[Group]) -> str:
    repeated = [
        plural(len(runs) - len(set(runs)), "run")
        for group in groups
        if len(runs := [repeat_of(r) for r in finished(group.records)]) > len(set(runs))
    ]
    if not repeated:
        return ""
    return (
        f"Some runs repeat a setting and its {SEED} ({listed(repeated)}): such are averaged and "
        f"count once."
    )


def _revisions(records: Sequence[Record]) -> str:
    begun = [r.provenance for r in finished(records) if r.provenance.get("git_revision")]
    revisions = {str(provenance["git_revision"])[:10] for provenance in begun}
    changed = sum(bool(provenance.get("git_changes")) for provenance in begun)
    several = (
        f"The runs are of {len(revisions)} revisions of the code. " if len(revisions) > 1 else ""
    )
    dirt = f"In {plural(changed, 'run')} the code had uncommitted changes." if changed else ""
    return (several + dirt).strip()


def _damaged(records: Sequence[Record]) -> str:
    names = [f"{r.name} ({r.error})" for r in records if r.state == DONE and r.error]
    return f"Some files of finished runs cannot be read: {'; '.join(names)}." if names else ""
