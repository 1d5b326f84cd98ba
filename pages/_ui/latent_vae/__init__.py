"""Widgets of the log-probability chapter."""
