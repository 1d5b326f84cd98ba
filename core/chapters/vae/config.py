"""The VAE chapter trains the family's plain model: its configuration is the family's."""

from core.families.vaes.config import VAEConfig

__all__ = ["VAEConfig"]
