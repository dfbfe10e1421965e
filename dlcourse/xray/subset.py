"""A small set with as many positives as negatives as one likes: the lab's, drawn by a seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlcourse.errors import InputError
from dlcourse.xray.studies import PNEUMOTHORAX, Study


@dataclass(frozen=True, kw_only=True)
class Subset:
    """How many images with and without a finding take part; None: all of them.

    They are drawn patient by patient: in an order that the seed decides, a patient gives all images
    of the kind that is still wanted. Neither the order of the files nor the training changes it.
    """

    positives: int | None = None
    negatives: int | None = None
    seed: int = 0
    finding: str = PNEUMOTHORAX

    def choose(self, studies: Sequence[Study]) -> list[Study]:
        """The same studies; one that is left out has a `reason`.

        Raises:
            InputError: There are fewer than that.
        """
        if self.positives is None and self.negatives is None:
            return list(studies)
        usable = [study for study in studies if not study.reason]
        kept = set[str]()
        for wanted, kind in ((self.positives, "with"), (self.negatives, "without")):
            of_kind = [study for study in usable if study.has(self.finding) == (kind == "with")]
            if wanted is not None and not 0 < wanted <= len(of_kind):
                name = "positives" if kind == "with" else "negatives"
                raise InputError(
                    f"data.subset.{name}={wanted}: {len(of_kind)} images {kind} {self.finding} are "
                    f"here; choose 1 to that many, or null for all"
                )
            kept |= {study.file for study in self._in_order(of_kind)[:wanted]}
        return [
            study
            if study.reason or study.file in kept
            else replace(study, reason="not in the subset")
            for study in studies
        ]

    def _in_order(self, studies: Sequence[Study]) -> list[Study]:
        patients = sorted({study.patient for study in studies})
        order = np.random.default_rng(self.seed).permutation(len(patients))
        place = {patients[i]: at for at, i in enumerate(order)}
        return sorted(studies, key=lambda study: (place[study.patient], study.file))
