"""Runs: the folders of plain files that every result is read from and written to. Imports no torch."""
