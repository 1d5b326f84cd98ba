"""Pure functions of tensors and arrays that measure models."""
