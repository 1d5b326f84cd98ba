"""Per-image latents."""
