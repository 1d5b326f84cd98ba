"""GANs in the plane."""
