"""The tables of the VAE chapter's evaluation: the family's."""

from core.families.vaes.tables import TABLES

__all__ = ["TABLES"]
