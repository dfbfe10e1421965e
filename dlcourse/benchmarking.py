"""Contenders measured against each other in interleaved rounds, and claims judged on the ratios.

Two timings taken minutes apart on a shared machine cannot be compared. So every round runs every
contender of a case once, a ratio is taken within its round only, and the median over the rounds is
what counts. What the neighbours did shows in the range, and in processor time beside the clock's.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.errors import InputError

Clock = Callable[[], tuple[float, float]]  # wall and processor seconds since whenever
Seconds = dict[str, np.ndarray]  # by contender (rounds, 2): wall and processor seconds

MET, MISSED, NO_GOAL = "met", "missed", "no goal"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work of a case.

    Attributes:
        run: What is timed; it gets what `prepare` returned.
        prepare: What goes before every run and is not timed.
        scale: Times the seconds, for a contender that does only a part of the work.
    """

    run: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The seconds of one contender, over those of another, and where they should be.

    Attributes:
        top: The contender above the line.
        bottom: The one below it; None: the seconds of `top` themselves.
        at_most: The goal, or
        at_least: the goal from the other side. With neither the number is only reported.
    """

    text: str
    top: str
    bottom: str | None = None
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """Contenders that do the same work, and what is claimed about them."""

    name: str
    contenders: dict[str, Contender]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A judged claim.

    Attributes:
        unit: "x" for a ratio, "s" for seconds.
        wall: Median, least and greatest over the rounds, by the clock on the wall.
        cpu: The same in processor time of this process.
        seconds: Median wall seconds of each contender of the claim.
        verdict: "met" or "missed", by the median of `wall`; "no goal".
    """

    case: str
    claim: str
    unit: str
    wall: tuple[float, float, float]
    cpu: tuple[float, float, float]
    goal: str
    verdict: str
    seconds: dict[str, float]


def process_clock() -> tuple[float, float]:
    """Wall and processor seconds of this process, all its threads together."""
    return time.perf_counter(), time.process_time()


def measure(
    case: Case,
    *,
    rounds: int,
    clock: Clock = process_clock,
    progress: Callable[[str], None] = lambda text: None,
) -> Seconds:
    """Run every contender once a round, after a round that does not count.

    Every other round goes through them backwards, so that none always follows the same one.

    Args:
        progress: Told in words what is about to run.

    Raises:
        InputError: No round is asked for.
    """
    if rounds < 1:
        raise InputError(f"rounds={rounds}: at least 1")
    names = list(case.contenders)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names[:: -1 if number % 2 else 1]:
            progress(f"{case.name}, {f'round {number}/{rounds}' if number else 'warm-up'}: {name}")
            spent = _timed(case.contenders[name], clock)
            if number:
                seconds[name].append(spent)
    return {name: np.array(spent) for name, spent in seconds.items()}


def _timed(contender: Contender, clock: Clock) -> tuple[float, float]:
    prepared = contender.prepare()
    gc.collect()  # nobody pays for what another left behind
    wall, cpu = clock()
    contender.run(prepared)
    wall_end, cpu_end = clock()
    return (wall_end - wall) * contender.scale, (cpu_end - cpu) * contender.scale


def judge(case: Case, seconds: Seconds) -> list[Row]:
    """Every claim of a case against what was measured."""
    return [_judged(case, claim, seconds) for claim in case.claims]


def _judged(case: Case, claim: Claim, seconds: Seconds) -> Row:
    values = seconds[claim.top]  # (rounds, 2)
    if claim.bottom is not None:
        # A processor clock may stand still while something very short runs.
        values = values / np.maximum(seconds[claim.bottom], 1e-9)
    wall, cpu = (_spread(column) for column in values.T)
    unit = "s" if claim.bottom is None else "x"
    goal, verdict = _verdict(claim, wall[0], unit)
    names = [name for name in (claim.top, claim.bottom) if name is not None]
    return Row(
        case=case.name,
        claim=claim.text,
        unit=unit,
        wall=wall,
        cpu=cpu,
        goal=goal,
        verdict=verdict,
        seconds={name: float(np.median(seconds[name][:, 0])) for name in names},
    )


def _spread(values: np.ndarray) -> tuple[float, float, float]:
    return float(np.median(values)), float(values.min()), float(values.max())


def _verdict(claim: Claim, median: float, unit: str) -> tuple[str, str]:
    if claim.at_most is not None:
        return f"at most {claim.at_most:g} {unit}", MET if median <= claim.at_most else MISSED
    if claim.at_least is not None:
        return f"at least {claim.at_least:g} {unit}", MET if median >= claim.at_least else MISSED
    return "-", NO_GOAL


def as_table(rows: Sequence[Row]) -> str:
    """The rows as aligned text, one line a claim under a line of headings."""
    head = ("what is compared", "median", "min..max", "cpu", "goal", "", "wall seconds")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    median, least, greatest = row.wall
    seconds = ", ".join(f"{name} {value:.3g}" for name, value in row.seconds.items())
    return (
        f"{row.case}: {row.claim}",
        f"{median:.3g} {row.unit}",
        f"{least:.3g}..{greatest:.3g}",
        f"{row.cpu[0]:.3g} {row.unit}",
        row.goal,
        row.verdict,
        seconds,
    )
