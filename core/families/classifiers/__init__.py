"""The convolutional classifier: the first chapter's model, and the frozen judge of others."""
