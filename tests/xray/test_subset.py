"""A subset has what was asked for, patient by patient, and only the seed decides which."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.xray.studies import PNEUMOTHORAX, Study
from dlcourse.xray.subset import Subset


def study(number: int, patient: int, *, positive: bool) -> Study:
    findings = frozenset({PNEUMOTHORAX, "Mass"} if positive else {"Mass"})
    return Study(f"{number:03d}.png", None, str(patient), findings)


RNG = np.random.default_rng(0)
STUDIES = [study(i, int(RNG.integers(25)), positive=bool(RNG.random() < 0.3)) for i in range(120)]
POSITIVES = sum(s.has(PNEUMOTHORAX) for s in STUDIES)
NEGATIVES = len(STUDIES) - POSITIVES


def kept(subset: Subset, studies: Sequence[Study] = STUDIES) -> set[str]:
    return {s.file for s in subset.choose(studies) if not s.reason}


def of_kind(files: set[str], *, positive: bool) -> list[Study]:
    return [s for s in STUDIES if s.file in files and s.has(PNEUMOTHORAX) == positive]


@given(
    positives=st.integers(1, POSITIVES),
    negatives=st.integers(1, NEGATIVES),
    seed=st.integers(0, 9),
)
def test_it_has_what_was_asked_for_with_whole_patients_but_the_last(
    positives: int, negatives: int, seed: int
) -> None:
    files = kept(Subset(positives=positives, negatives=negatives, seed=seed))
    for wanted, positive in ((positives, True), (negatives, False)):
        found = of_kind(files, positive=positive)
        assert len(found) == wanted
        everything = of_kind({s.file for s in STUDIES}, positive=positive)
        cut = {
            p
            for p in {s.patient for s in found}
            if sum(s.patient == p for s in found) < sum(s.patient == p for s in everything)
        }
        assert len(cut) <= 1, "only the last patient may give a part of the images"


@given(order=st.permutations(range(len(STUDIES))), seed=st.integers(0, 3))
def test_the_order_of_the_files_changes_nothing(order: list[int], seed: int) -> None:
    subset = Subset(positives=11, negatives=17, seed=seed)
    assert kept(subset, [STUDIES[i] for i in order]) == kept(subset)


def test_a_larger_subset_holds_the_smaller_one() -> None:
    small, large = Subset(positives=5, negatives=9), Subset(positives=6, negatives=40)
    assert kept(small) < kept(large)


def test_seed_0_is_a_seed_and_another_than_1() -> None:
    first, same, other = (Subset(positives=9, negatives=9, seed=seed) for seed in (0, 0, 1))
    assert kept(first) == kept(same) != kept(other)


def test_what_is_left_out_says_so_and_keeps_its_place() -> None:
    studies = [replace(STUDIES[0], reason="is damaged"), *STUDIES[1:]]
    chosen = Subset(positives=3, negatives=4).choose(studies)
    assert [s.file for s in chosen] == [s.file for s in studies]
    assert chosen[0].reason == "is damaged"
    assert sum(s.reason == "not in the subset" for s in chosen) == len(studies) - 1 - 7


def test_none_is_all_of_a_kind() -> None:
    assert kept(Subset()) == {s.file for s in STUDIES}
    assert len(kept(Subset(positives=4))) == 4 + NEGATIVES
    assert len(kept(Subset(negatives=4))) == 4 + POSITIVES
    healthy = of_kind(kept(Subset()), positive=False)
    assert len(kept(Subset(negatives=4), healthy)) == 4


def test_another_finding_may_be_asked_for() -> None:
    extra = study(999, 99, positive=False)
    studies = [*STUDIES, replace(extra, findings=frozenset({"Edema"}))]
    files = kept(Subset(finding="Edema", positives=1, negatives=2), studies)
    assert "999.png" in files
    assert len(files) == 3


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        (Subset(positives=POSITIVES + 1), f"={POSITIVES + 1}: {POSITIVES} images with Pneumothor"),
        (Subset(negatives=999), f"negatives=999: {NEGATIVES} images without Pneumothorax are here"),
        (Subset(positives=0), "positives=0: .*; choose 1 to that many, or null for all"),
        (Subset(negatives=-3), "negatives=-3"),
        (Subset(finding="Hernia", positives=2), "positives=2: 0 images with Hernia are here"),
    ],
)
def test_more_than_there_is_is_an_error(subset: Subset, message: str) -> None:
    with pytest.raises(InputError, match=message):
        subset.choose(STUDIES)
