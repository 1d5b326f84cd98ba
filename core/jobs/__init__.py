"""Background trainings: queue and executors. Imports no torch."""
