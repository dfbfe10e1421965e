"""python -m dlcourse.doctor.torch_probe: whether torch works here, as a line of JSON.

A process of its own, because a broken torch may end its process instead of raising.
"""

import json
import sys
from typing import Any


def probe() -> dict[str, Any]:
    """Import torch and torchvision, and compute something whose result is known.

    Returns:
        `version`, `right` (whether a product and its gradient are what they have to be), `threads`,
        `cuda` (the toolkit that torch was built for, or None), `gpus` (names), `mps`, and `vision`
        (None, or why torchvision cannot be imported).
    """
    import torch

    x = torch.full((4, 4), 2.0, requires_grad=True)
    (x @ x).sum().backward()
    assert x.grad is not None
    try:
        import torchvision  # noqa: F401

        vision = None
    except Exception as error:  # whatever a library does not match
        vision = f"{type(error).__name__}: {error}"
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {
        "version": torch.__version__,
        "right": bool((x.grad == 16).all()),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpus": [torch.cuda.get_device_name(i) for i in gpus],
        "mps": torch.backends.mps.is_available(),
        "vision": vision,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")
