"""An empty store and a tiny chapter, for the tests of this folder."""

from tests.stub_fixtures import store, tiny

__all__ = ["store", "tiny"]
