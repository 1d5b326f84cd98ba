"""The dense VAE: shapes, the reparameterisation, gradients."""

import pytest
import torch

from core.families.vaes.config import VAEConfig
from core.families.vaes.convolutional import ConvVAE
from core.families.vaes.layers import architecture, browser_decoder, browser_encoder
from core.families.vaes.model import VAE, mean_image, reparameterise
from core.families.vaes.task import build


def small(**options):
    torch.manual_seed(0)
    return VAE(12, (8, 6), 3, **options)


def test_shapes_are_the_documented_ones():
    vae, x = small(), torch.rand(5, 12)
    mu, logvar = vae.encode(x)
    assert mu.shape == logvar.shape == (5, 3)
    assert vae.decode(mu).shape == (5, 12)
    assert vae.decode(torch.zeros(7, 5, 3)).shape == (7, 5, 12)  # leading dimensions are samples
    logits, _, _ = vae(x)
    assert logits.shape == (5, 12)
    shown = mean_image(logits).detach()
    assert 0 < float(shown.min()) <= float(shown.max()) < 1


def test_encoder_and_decoder_are_mirror_images():
    vae = small()
    widths = [[layer.in_features, layer.out_features] for layer in vae.encoder if hasattr(layer, "in_features")]
    assert widths == [[12, 8], [8, 6], [6, 6]]
    widths = [[layer.in_features, layer.out_features] for layer in vae.decoder if hasattr(layer, "in_features")]
    assert widths == [[3, 6], [6, 8], [8, 12]]


def test_draws_have_the_mean_and_the_variance_of_q():
    mu, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, -1.0]])
    z = reparameterise(mu.expand(200_000, 2), logvar.expand(200_000, 2), torch.Generator().manual_seed(0))
    # standard errors: of the mean sd / sqrt(n) <= 0.0023, of the variance var * sqrt(2 / n) <= 0.0032; four of them
    torch.testing.assert_close(z.mean(0), mu[0], atol=0.01, rtol=0)
    torch.testing.assert_close(z.var(0), logvar[0].exp(), atol=0.013, rtol=0)


def test_the_noise_comes_from_the_generator_alone():
    mu = torch.zeros(3, 2)
    first = reparameterise(mu, mu, torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    second = reparameterise(mu, mu, torch.Generator().manual_seed(5))
    assert torch.equal(first, second)
    assert not torch.equal(first, reparameterise(mu, mu, torch.Generator().manual_seed(6)))


def test_gradients_pass_through_the_draw():
    """dz/dmu = 1 and dz/dlogvar = eps * exp(logvar / 2) / 2, checked by finite differences in float64."""
    mu = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    logvar = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda m, v: reparameterise(m, v, torch.Generator().manual_seed(0)), (mu, logvar), eps=1e-6, atol=1e-6
    )


def test_training_starts_at_the_mean_image():
    vae, mean = small(), torch.linspace(0, 1, 12)
    vae.start_at(mean)
    for parameter in vae.decoder[-1].parameters():
        if parameter.ndim == 2:
            parameter.data.zero_()
    shown = mean_image(vae.decode(torch.randn(4, 3)))
    torch.testing.assert_close(shown, mean.clamp(0.01, 0.99).expand(4, 12), atol=1e-6, rtol=0)


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_the_listed_architecture_is_the_built_one(network):
    config = VAEConfig(width=16, latent_dim=5, activation="relu", network=network)
    listed, vae = architecture(config), build(config)["vae"]
    assert listed["Weights"].sum() == sum(p.numel() for p in vae.parameters())
    assert [vae.latent_dim, *listed["Output"][listed["Part"] == "Decoder"]] == list(vae.widths)


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_the_browsers_layers_name_every_weight_of_the_module(network):
    config = VAEConfig(width=16, latent_dim=5, network=network)
    vae = build(config)["vae"]
    layers = [*browser_encoder(config, "vae.encoder"), *browser_decoder(config, "vae.decoder")]
    assert {name for one in layers for name in one["tensors"].values()} == {f"vae.{n}" for n in vae.state_dict()}


def test_the_listed_dense_layers_are_named():
    listed = architecture(VAEConfig(width=16, latent_dim=5))
    assert list(listed["Part"]) == ["Encoder"] * 3 + ["Decoder"] * 3
    assert list(listed["Output"]) == [16, 16, 10, 16, 16, 784]
    assert architecture(VAEConfig(activation="tanh"))["Layer"].iloc[0] == "Linear, tanh"


def test_a_convolutional_vae_has_the_shapes_of_a_dense_one():
    torch.manual_seed(0)
    vae, x = ConvVAE(32, 3), torch.rand(5, 784)
    mu, logvar = vae.encode(x)
    assert mu.shape == logvar.shape == (5, 3)
    z = torch.randn(7, 5, 3)
    logits = vae.decode(z)
    assert logits.shape == (7, 5, 784)
    torch.testing.assert_close(logits[3, 2], vae.decode(z[3, 2][None])[0])  # leading dimensions are samples
    mean = torch.linspace(0, 1, 784)
    before = vae.decode(mu)
    vae.start_at(mean)
    torch.testing.assert_close(vae.decode(mu) - before, torch.logit(mean.clamp(0.01, 0.99)).expand(5, 784))
