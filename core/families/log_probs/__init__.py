"""log p(x) of latent-variable models: importance sampling, annealing, IWAE, probabilistic PCA, refinement."""
