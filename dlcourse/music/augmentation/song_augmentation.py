"""Songs varied in training: in other keys, at other tempos, with other velocities.

What is held out is never varied, and baselines are fitted to the songs as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from dlcourse.errors import InputError
from dlcourse.music.augmentation.stretching import FACTORS, stretched_copies
from dlcourse.music.augmentation.transposition import is_normalised
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoding

AUTO, ALWAYS = "auto", "always"
PRESETS = ("none", "stretch", "transpose", "transpose_always", "transpose_stretch", "velocity")


@dataclass(frozen=True)
class Augmented:
    """What becomes of the training songs of a run.

    Attributes:
        semitones: The lowest and the highest interval by which windows are shifted; None: none is.
        copies: Stretched songs to train on besides.
        facts: What was decided and why, a sentence each.
    """

    semitones: tuple[int, int] | None = None
    copies: list[Entry] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SongAugmentation:
    """How training songs are varied.

    Args:
        transpose: The lowest and the highest number of semitones by which a window is shifted,
            drawn anew whenever it is seen and within what keeps its song on the keyboard.
        when: "auto" does not transpose songs that share a key already, where it would teach keys
            that never come; "always" does.
        share: Of the training songs in one key from which on they count as sharing it. Estimates of
            keys miss some: of JSB Chorales, all moved to C, they find 79 %, of POP909 16 % in one.
        stretch: Lengths, of `FACTORS`, at which each song is a training song once more.
        velocity: By how much at most the velocities of stretched songs are changed. No encoding
            here keeps velocities, so that this changes nothing in what is learnt.

    Raises:
        InputError: A value is out of its range.
    """

    transpose: Sequence[int] | None = None
    when: str = AUTO
    share: float = 0.7
    stretch: Sequence[float] = ()
    velocity: int = 0

    def __post_init__(self) -> None:
        interval = (0, 0) if self.transpose is None else tuple(self.transpose)
        if len(interval) != 2 or not interval[0] <= 0 <= interval[1]:
            raise InputError(
                f"augment.transpose={list(interval)}: two numbers of semitones, the first at most "
                f"0 and the second at least 0"
            )
        if self.when not in (AUTO, ALWAYS):
            raise InputError(f"augment.when={self.when}: choose {AUTO} or {ALWAYS}")
        if not 0 < self.share <= 1:
            raise InputError(f"augment.share={self.share}: above 0, at most 1")
        if not set(self.stretch) <= set(FACTORS):
            raise InputError(
                f"augment.stretch={list(self.stretch)}: choose of {', '.join(map(str, FACTORS))}"
            )
        if not 0 <= self.velocity < 128:
            raise InputError(f"augment.velocity={self.velocity}: from 0 to 127")

    def of(self, entries: Sequence[Entry], encoding: Encoding, *, seed: int) -> Augmented:
        """What becomes of the training songs.

        Args:
            entries: The training songs; never those that are held out.
            encoding: What their frames are.
            seed: Of the velocities.
        """
        semitones, facts = None, []
        if self.transpose is not None:
            normalised, fact = is_normalised(entries, encoding, share=self.share)
            semitones, fact = self._transposes(normalised, fact)
            facts.append(fact)
        copies: list[Entry] = []
        if self.stretch:
            copies, fact = stretched_copies(
                entries, encoding, factors=self.stretch, velocity=self.velocity, seed=seed
            )
            facts.append(fact)
        if self.velocity:
            name = type(encoding).__name__
            facts.append(
                f"augment.velocity={self.velocity} changes nothing that is learnt: {name} keeps "
                f"no velocities"
            )
        return Augmented(semitones, copies, facts)

    def _transposes(self, normalised: bool, fact: str) -> tuple[tuple[int, int] | None, str]:
        """The interval, or None, and why."""
        low, high = self.transpose or (0, 0)
        if normalised and self.when == AUTO:
            return None, (
                f"transposition is off: {fact}, and from {100 * self.share:g} % on they share a "
                f"key; augment.when={ALWAYS} transposes all the same"
            )
        return (low, high), f"transposed by {low} to {high} semitones (when={self.when}): {fact}"


def check_augmentation(augment: object) -> SongAugmentation:
    """The augmentation of songs that was chosen; one that does nothing for None and identity.

    Raises:
        InputError: It is none of songs.
    """
    if augment is None or isinstance(augment, nn.Identity):
        return SongAugmentation()
    if not isinstance(augment, SongAugmentation):
        raise InputError(
            f"augment: {type(augment).__name__} varies radiographs, and these data are songs: "
            f"choose augment={', '.join(PRESETS[:-1])} or {PRESETS[-1]}"
        )
    return augment
