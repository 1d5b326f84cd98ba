"""Widgets of the 2-D GAN chapter."""
