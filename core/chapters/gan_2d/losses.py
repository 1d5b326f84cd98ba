"""The three losses of the 2-D GAN and the gradient penalty. All return one value per pack, to be averaged.

``real`` and ``fake`` are the discriminator's outputs on real and generated packs: logits for the original
loss, plain scores for least squares, critic values for Wasserstein.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

CRITIC_SCALE = 0.25  # sides of the square: the critic's surface is shown from minus this to plus this


def discriminator_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """Return what the discriminator minimises, shape of ``real``.

    - ``non-saturating``: -log D(x) - log(1 - D(G(z))) (Goodfellow et al., arXiv:1406.2661, eq. 1);
    - ``least-squares``: ((D(x) - 1)^2 + D(G(z))^2) / 2 (Mao et al., arXiv:1611.04076, eq. 9);
    - ``wasserstein``: D(G(z)) - D(x) (Arjovsky et al., arXiv:1701.07875, eq. 3), without the penalty.
    """
    if kind == "non-saturating":
        return softplus(-real) + softplus(fake)
    if kind == "least-squares":
        return 0.5 * ((real - 1).square() + fake.square())
    return fake - real


def generator_loss(kind: str, fake: Tensor) -> Tensor:
    """Return what the generator minimises, shape of ``fake``: -log D(G(z)), (D(G(z)) - 1)^2 / 2, or -D(G(z))."""
    if kind == "non-saturating":
        return softplus(-fake)
    if kind == "least-squares":
        return 0.5 * (fake - 1).square()
    return -fake


def slopes(values: Tensor, points: Tensor) -> Tensor:
    """Return the length of the gradient of ``values`` (S, packs) by its pack of ``points`` (S, n, 2): (S, packs).

    The graph is kept, so that the length can itself be differentiated by the critic's weights.
    """
    (gradient,) = torch.autograd.grad(values.sum(), points, create_graph=True)
    packed = gradient.reshape(*values.shape, -1)
    return (packed.square().sum(-1) + 1e-12).sqrt()  # the small constant keeps the root differentiable at 0


def penalty(lengths: Tensor) -> Tensor:
    """Return (|gradient| - 1)^2, the WGAN-GP penalty (Gulrajani et al., arXiv:1704.00028, eq. 3), per pack."""
    return (lengths - 1).square()


def gradient_penalty(critic: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Return the penalty of a critic at ``points`` (S, n, 2), shape (S, packs): 0 where its slope is 1."""
    points = points.detach().requires_grad_()
    return penalty(slopes(critic(points), points))


def between(real: Tensor, fake: Tensor, mix: Tensor, packing: int) -> Tensor:
    """Return points on the lines from ``fake`` to ``real`` (S, n, 2): ``mix`` (S, n / packing) of the way, by pack."""
    weight = mix.repeat_interleave(packing, dim=-1)[..., None]
    return fake + weight * (real - fake)


def to_level(kind: str, values: Tensor) -> Tensor:
    """Return discriminator outputs as levels of the picture, in [0, 1] with 0.5 undecided.

    The probability of being real for the original loss; the score itself, clipped, for least squares; for
    Wasserstein the critic value (already centred, see ``Trainer.field``) between -CRITIC_SCALE and CRITIC_SCALE.
    """
    if kind == "non-saturating":
        return torch.sigmoid(values)
    if kind == "least-squares":
        return values.clamp(0, 1)
    return (0.5 + values / (2 * CRITIC_SCALE)).clamp(0, 1)
