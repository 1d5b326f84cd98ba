"""Widgets of the classifier chapter."""
