"""Log-probability of single images."""
