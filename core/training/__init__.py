"""Training: the epoch loop, the run store (the only save/load code) and background jobs."""
