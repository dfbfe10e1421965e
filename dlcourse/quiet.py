"""Warnings that nobody here can act on."""

import logging
import warnings

import lightning.pytorch  # its import sets the levels that are lowered here


def quieten() -> None:
    """Silence what Lightning says to everybody and nobody here can act on."""
    for name in (lightning.pytorch.__name__, "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(f"{name}.utilities.rank_zero").setLevel(logging.WARNING)
    # Several processes never end in the same moment; what the first has said is shown anyway.
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    texts = (
        ".*Checkpoint directory .* exists.*",
        ".*treespec, LeafSpec.*is deprecated.*",
        ".*srun` command is available on your system but is not used.*",
        ".*recommended to use .*sync_dist=True.*",  # the metrics are those of all ranks already
    )
    for text in texts:
        warnings.filterwarnings("ignore", text)
