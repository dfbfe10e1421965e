"""Lab 1: pop songs as vectors, a network that predicts the next note, new songs drawn from it."""
