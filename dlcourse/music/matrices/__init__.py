"""The 88-key benchmarks of polyphonic music, which are MATLAB matrices."""

from dlcourse.music.matrices.reading import read_matrices

__all__ = ["read_matrices"]
