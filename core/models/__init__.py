"""Network modules, one file per family."""
