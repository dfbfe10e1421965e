"""Part 1 of the labs: graphs, compiling, differentiation, a dynamic model, training."""
