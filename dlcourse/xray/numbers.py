"""What a network says of images has to be numbers before anything is said of it."""

from collections.abc import Sequence

import numpy as np

from dlcourse.errors import InputError
from dlcourse.xray.studies import Study


def check_numbers(what: str, values: np.ndarray, studies: Sequence[Study]) -> None:
    """Stop where there is a NaN or an infinity: it would be ranked, averaged or drawn somehow.

    Args:
        what: The values are, for the message.
        values: (N, ...).
        studies: N.

    Raises:
        InputError: Naming the first image and how many there are.
    """
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if finite.all():
        return
    first = studies[int(finite.argmin())].file
    raise InputError(
        f"{first}: {what} is not a number, {int((~finite).sum())} of {len(values)} images are so: "
        f"the network has diverged or is damaged; use another checkpoint"
    )
