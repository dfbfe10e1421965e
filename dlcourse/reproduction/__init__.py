"""Whether a run comes out again as it was, and the results tables as they are printed."""
