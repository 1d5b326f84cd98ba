"""The classifier chapter trains the family's classifier: its configuration is the family's."""

from core.families.classifiers.config import ClassifierConfig

__all__ = ["ClassifierConfig"]
