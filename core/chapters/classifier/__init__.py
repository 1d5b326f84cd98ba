"""Digit classifier."""
