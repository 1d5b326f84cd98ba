"""What several chapters of a kind share."""
