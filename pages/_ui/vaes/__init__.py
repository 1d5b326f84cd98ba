"""Widgets that the chapters of variational models share."""
