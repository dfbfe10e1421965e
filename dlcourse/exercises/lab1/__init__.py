"""The functions of lab 1, music: from a song to new songs, in the lab's order."""

MODULES = (
    "encoding",
    "network",
    "loss",
    "accuracy",
    "sampling",
    "generation",
    "nearness",
    "transposition",
)
