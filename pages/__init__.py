"""Chapters: one flat script each. They read controls, call core and show; no mathematics and no training here."""
