"""One module per chapter: ``train`` and ``evaluate``."""
