"""The exercises of lab 2, part 2: from a radiograph to what the network saw in it."""

MODULES = ("standardise", "cost", "predict", "roc", "features", "cam", "upsample")  # as in the lab
