"""Songs of which some bars are composed anew: what `infill=[first,last]` makes, for their page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.encoding import Encoding
from dlcourse.music.generation import NewSong, Primer, next_frame_of
from dlcourse.music.grid import bar_positions
from dlcourse.music.guide import NO_PRIORS
from dlcourse.music.infilling import Infilling, infill
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.priors.prior import Priors
from dlcourse.music.sampling import Sampler, find_loop
from dlcourse.progress import progress_bar


@dataclass(frozen=True, eq=False, kw_only=True)
class InfilledSong(NewSong):
    """A song with some bars composed anew: the first and the last of `bars`, counted from 1."""

    bars: tuple[int, int]
    drawn: Infilling

    @property
    def made(self) -> str:
        """See `NewSong`."""
        first, last = self.bars
        which = f"bar {first}" if first == last else f"bars {first} to {last}"
        return f"{self.primer.name}, {which} composed anew"

    @property
    def facts(self) -> dict[str, str]:
        """See `NewSong`."""
        drawn = self.drawn
        facts = super().facts | {"candidates": f"{drawn.candidates}, {drawn.different} different"}
        if self.new_end == np.inf:
            return facts | {"what follows": "nothing: a continuation"}
        return facts | {"effective sample size": f"{drawn.effective:.1f}"}

    @property
    def warning(self) -> str:
        """See `NewSong`."""
        drawn = self.drawn
        if self.new_end == np.inf or drawn.candidates == 1:
            return super().warning
        if drawn.different == 1:
            return "All candidates are alike: what follows had no say in the choice."
        if drawn.effective < 2:
            return (
                f"What follows suits hardly more than one candidate (effective sample size "
                f"{drawn.effective:.1f} of {drawn.candidates}): more candidates or fewer bars help."
            )
        return super().warning


def infilled_songs(
    predictor: NotePredictor,
    primer: Primer,
    *,
    bars: Sequence[int],
    songs: int,
    sampler: Sampler,
    seed: int,
    candidates: int = 64,
    priors: Priors = NO_PRIORS,
) -> list[NewSong]:
    """Compose some bars of a song anew, `songs` times; time i does not depend on how many.

    Where nothing follows the bars, this is a continuation.

    Args:
        primer: The whole song.
        bars: The first and the last bar to compose, counted from 1.

    Raises:
        InputError: The song has no such bars; no candidates; as `sampling.sample`.
    """
    if candidates < 1:
        raise InputError(f"candidates={candidates}: at least 1, to choose from")
    per_quarter = predictor.encoding.steps_per_quarter
    span = _span(bars, primer, primer.metre.bar_length(per_quarter))
    steps, made = len(primer.frames), []
    positions = bar_positions(primer.metre, steps, steps_per_quarter=per_quarter)
    predict = next_frame_of(predictor, sampler)
    for song in progress_bar(range(songs), "infilling"):
        drawn = infill(
            predict,
            primer.frames,
            positions,
            span=span,
            head=predictor.head,
            sampler=sampler,
            seed=(seed, song),
            candidates=candidates,
            priors=priors,
        )
        made.append(_infilled(predictor.encoding, primer, drawn, span=span, bars=bars))
    return made


def _span(bars: Sequence[int], primer: Primer, bar: int) -> tuple[int, int]:
    """The first step of the bars and the one after their last."""
    steps = len(primer.frames)
    most = -(-steps // bar)
    numbers = list(bars) if isinstance(bars, Sequence) else []
    whole = len(numbers) == 2 and all(isinstance(number, int) for number in numbers)
    if not whole or not 1 <= numbers[0] <= numbers[1] <= most:
        raise InputError(
            f"infill={bars}: {primer.name} has bars 1 to {most}; name the first and the last to "
            f"compose anew, as infill=[1,{min(2, most)}]"
        )
    return (numbers[0] - 1) * bar, min(numbers[1] * bar, steps)


def _infilled(
    encoding: Encoding,
    primer: Primer,
    drawn: Infilling,
    *,
    span: tuple[int, int],
    bars: Sequence[int],
) -> InfilledSong:
    song = encoding.decode(drawn.frames, metre=primer.metre, tempo=primer.tempo)
    start, end = (song.end * step // len(drawn.frames) for step in span)
    return InfilledSong(
        primer,
        song,
        new_steps=span[1] - span[0],
        seed_end=start,
        new_end=end if end < song.end else np.inf,
        loop=find_loop(drawn.frames[slice(*span)]),
        bars=(bars[0], bars[1]),
        drawn=drawn,
    )
