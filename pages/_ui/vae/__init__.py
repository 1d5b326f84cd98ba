"""Widgets of the VAE chapters."""
