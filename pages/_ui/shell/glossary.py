"""The glossary: the field's terms in a sentence or two, and links to them."""

from __future__ import annotations

from types import MappingProxyType

TERMS = MappingProxyType(
    {
        "accuracy": "Share of images whose most probable class is the right one.",
        "amortised inference": "One encoder network gives q(z|x) for every image, instead of optimising it per image.",
        "annealed importance sampling": "An estimator of log p(x) that walks from the prior to the posterior in many "
        "small steps (Neal, 2001; Wu et al., arXiv:1611.04273).",
        "calibration": "Whether a predicted probability of 0.8 comes true in 80 % of such cases.",
        "decoder": "The network that turns a latent z into an image.",
        "discriminator": "The network of a GAN that tells real points from generated ones.",
        "ELBO": "Evidence lower bound: expected log-likelihood of the image minus the KL divergence of q(z|x) from "
        "the prior. It never exceeds log p(x).",
        "encoder": "The network that turns an image into a latent z, or into the mean and variance of q(z|x).",
        "epoch": "One pass over the training data.",
        "generator": "The network of a GAN that turns noise into points or images.",
        "held out": "Not seen in training and not used to choose anything.",
        "importance sampling": "Estimating log p(x) by averaging p(x, z)/q(z|x) over draws of z from q.",
        "KL divergence": "How far one distribution is from another, in nats; 0 only where they agree.",
        "latent": "The few numbers z from which the decoder draws an image.",
        "log-likelihood": "Logarithm of the probability (density) that the model gives to an image, in nats.",
        "mode collapse": "A generator that covers only a part of the data.",
        "nat": "Unit of information with the natural logarithm: 1 nat = 1.443 bits.",
        "overfitting": "Training loss goes on falling while held-out loss rises.",
        "posterior": "p(z|x): which latents could have produced this image.",
        "prior": "p(z): how latents are distributed before an image is seen; here N(0, I).",
        "reconstruction": "What the decoder draws from the latent of an image.",
        "snapshot": "The weights as they were after one epoch.",
    }
)


def anchor(name: str) -> str:
    """Return a term's anchor on the glossary page."""
    return name.lower().replace(" ", "-")


def term(name: str, text: str | None = None) -> str:
    """Return a Markdown link to a term of the glossary; KeyError names an unknown one."""
    if name not in TERMS:
        raise KeyError(f"{name!r} is not in the glossary; add it to TERMS")
    return f"[{text or name}](glossary#{anchor(name)})"
