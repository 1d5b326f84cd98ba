"""Tests of the pages, in AppTest."""
