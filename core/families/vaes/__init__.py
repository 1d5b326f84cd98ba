"""Variational autoencoders: configuration, likelihood, models, task, tables, findings, charts."""
