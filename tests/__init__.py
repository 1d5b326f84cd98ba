"""The tests of Epoch Atlas."""
