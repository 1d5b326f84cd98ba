"""The tables of the classifier chapter's evaluation: the family's."""

from core.families.classifiers.tables import TABLES

__all__ = ["TABLES"]
