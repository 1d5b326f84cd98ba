"""Tests of core.data and core.errors."""
