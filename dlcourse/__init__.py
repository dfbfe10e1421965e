"""The two classic deep-learning labs, music and chest X-rays, in PyTorch Lightning and Hydra."""

__version__ = "0.1.0"
