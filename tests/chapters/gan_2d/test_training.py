"""Losses, penalty, updates, film and live training of the 2-D GAN."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.chapters.gan_2d import film as film_module
from core.chapters.gan_2d import live as gan2d_live
from core.chapters.gan_2d import thumbnail as gan2d_thumbnail
from core.chapters.gan_2d.camera import Camera, cells, lattice
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.film import FIELD_SIZE, Film, from_steps, to_steps
from core.chapters.gan_2d.live import Live
from core.chapters.gan_2d.losses import (
    CRITIC_SCALE,
    between,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    penalty,
    slopes,
    to_level,
)
from core.chapters.gan_2d.trainer import DISCRIMINATOR, GENERATOR, Trainer, make_optimizer
from core.charts import palette
from core.data.points import SHAPES
from core.errors import ConfigError, RunError

TINY = GAN2DConfig(g_neurons=6, d_neurons=6, batch_size=24, n_points=200, epochs=6, steps_per_frame=5)
KINDS = {
    "non-saturating": TINY,
    "least-squares": TINY.changed(loss="least-squares", packing=2, noise_dim=1),
    "wasserstein": TINY.changed(loss="wasserstein", noise="normal", d_features=4, d_steps=2),
    "packed critic": TINY.changed(n_points=10, loss="wasserstein", packing=3, g_optimizer="rmsprop", d_optimizer="sgd"),
}


@pytest.fixture
def threads_of_before():
    """The number of threads is set back after the test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


class TestLosses:
    real, fake = torch.randn(2, 2, 9, generator=torch.Generator().manual_seed(0))

    def test_original_is_binary_cross_entropy(self):
        ones, zeros = torch.ones_like(self.real), torch.zeros_like(self.fake)
        logit = F.binary_cross_entropy_with_logits
        expected = logit(self.real, ones, reduction="none") + logit(self.fake, zeros, reduction="none")
        assert torch.allclose(discriminator_loss("non-saturating", self.real, self.fake), expected, atol=1e-6)
        assert torch.allclose(
            generator_loss("non-saturating", self.fake), logit(self.fake, ones, reduction="none"), atol=1e-6
        )

    def test_undecided_costs_log_four(self):
        zero = torch.zeros(1, 3)
        assert discriminator_loss("non-saturating", zero, zero)[0, 0].item() == pytest.approx(math.log(4))

    def test_least_squares_by_hand(self):
        loss = discriminator_loss("least-squares", torch.tensor([0.5]), torch.tensor([0.25]))
        assert loss.item() == pytest.approx(0.5 * (0.25 + 0.0625))
        assert generator_loss("least-squares", torch.tensor([0.25])).item() == pytest.approx(0.5 * 0.5625)

    def test_wasserstein_is_the_difference_of_values(self):
        loss = discriminator_loss("wasserstein", self.real, self.fake)
        assert torch.equal(loss, self.fake - self.real)
        assert torch.equal(generator_loss("wasserstein", self.fake), -self.fake)

    def test_levels(self):
        assert to_level("non-saturating", torch.tensor([0.0])).item() == 0.5
        assert to_level("least-squares", torch.tensor([-1.0, 0.3, 2.0])).tolist() == pytest.approx([0, 0.3, 1])
        edges = torch.tensor([-2 * CRITIC_SCALE, -CRITIC_SCALE, 0.0, CRITIC_SCALE])
        assert to_level("wasserstein", edges).tolist() == [0, 0, 0.5, 1]


class TestPenalty:
    def test_is_zero_for_a_linear_critic_of_slope_one(self):
        points = torch.rand(1, 40, 2)
        for angle in (0.0, 0.7, 2.5):
            direction = torch.tensor([math.cos(angle), math.sin(angle)])
            assert gradient_penalty(lambda x, d=direction: x @ d, points).abs().max() < 1e-12

    def test_is_the_square_of_what_the_slope_lacks(self):
        points = torch.rand(1, 10, 2)
        for slope in (0.0, 0.5, 3.0):
            found = gradient_penalty(lambda x, s=slope: s * x[..., 0] + 0 * x[..., 1], points)
            assert torch.allclose(found, torch.full((1, 10), (slope - 1) ** 2), atol=1e-5)

    def test_slope_of_a_pack_is_that_of_all_its_coordinates(self):
        points = torch.rand(1, 6, 2)  # three packs of two points, each coordinate with slope 1/2: length 1
        found = gradient_penalty(lambda x: 0.5 * x.reshape(1, 3, 4).sum(-1), points)
        assert found.abs().max() < 1e-12

    def test_slopes_against_finite_differences(self):
        trainer = Trainer(KINDS["wasserstein"], [0])
        judge = trainer.discriminator.double()
        points = torch.rand(1, 20, 2, dtype=torch.float64, requires_grad=True)
        step = 1e-6
        moves = torch.eye(2, dtype=torch.float64) * step
        with torch.no_grad():
            parts = [(judge(points + move) - judge(points - move)) / (2 * step) for move in moves]
        expected = torch.stack(parts, -1).norm(dim=-1)
        assert torch.allclose(slopes(judge(points), points), expected, atol=1e-5)

    def test_its_gradient_by_the_critics_weights(self):
        """The penalty is itself differentiated: checked in double precision by finite differences."""
        points = torch.rand(1, 5, 2, dtype=torch.float64)
        inner = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
        outer = torch.randn(4, dtype=torch.float64, requires_grad=True)

        def cost(first, second):
            return gradient_penalty(lambda x: torch.tanh(x @ first) @ second, points)

        assert torch.autograd.gradcheck(cost, (inner, outer))

    def test_between_lies_on_the_line_and_packs_move_together(self):
        real, fake = torch.rand(1, 6, 2), torch.rand(1, 6, 2)
        mix = torch.tensor([[0.0, 0.25, 1.0]])
        middle = between(real, fake, mix, packing=2)
        assert torch.equal(middle[:, :2], fake[:, :2])
        assert torch.allclose(middle[:, 2:4], 0.75 * fake[:, 2:4] + 0.25 * real[:, 2:4])
        assert torch.allclose(middle[:, 4:], real[:, 4:])
        assert penalty(torch.tensor([1.0])).item() == 0


class TestUpdates:
    @pytest.mark.parametrize("kind", KINDS)
    def test_stepping_one_network_never_changes_the_other(self, kind):
        trainer = Trainer(KINDS[kind], [0])
        for update, moved, still in (
            (trainer.update_discriminator, trainer.discriminator, trainer.generator),
            (trainer.update_generator, trainer.generator, trainer.discriminator),
        ):
            for _ in range(3):
                before_moved, before_still = weights(moved), weights(still)
                terms = update()
                assert same(weights(still), before_still)
                assert not same(weights(moved), before_moved)
                assert all(torch.isfinite(value).all() for value in terms.values())

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_step_is_its_updates(self, kind):
        config = KINDS[kind]
        whole, parts = Trainer(config, [3]), Trainer(config, [3])
        whole.step()
        for _ in range(config.d_steps):
            parts.update_discriminator()
        for _ in range(config.g_steps):
            parts.update_generator()
        assert same(whole.state(), parts.state())

    def test_an_update_is_what_plain_backward_and_adam_do(self):
        """The fused optimiser must see the gradients as they are, whatever their memory layout."""
        config = KINDS["wasserstein"].changed(d_steps=1)
        fast, plain = Trainer(config, [0]), Trainer(config, [0])
        for trainer in (fast, plain):
            trainer.update_discriminator()
        slow = torch.optim.Adam(plain.discriminator.parameters(), lr=config.d_rate, betas=(config.beta1, config.beta2))
        slow.load_state_dict(plain.optimizers[DISCRIMINATOR].state_dict())
        slow.param_groups[0]["fused"] = False
        plain.optimizers[DISCRIMINATOR] = slow
        plain._apply = lambda network, loss: (slow.zero_grad(), loss.sum().backward(), slow.step())
        for trainer in (fast, plain):
            trainer.update_discriminator()
        for one, other in zip(fast.discriminator.parameters(), plain.discriminator.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-6)

    @pytest.mark.parametrize("kind", ["non-saturating", "wasserstein"])
    def test_seeds_trained_together_are_seeds_trained_alone(self, kind):
        together = Trainer(KINDS[kind], [5, 6, 7])
        for _ in range(4):
            together.step()
        for index, seed in enumerate((5, 6, 7)):
            alone = Trainer(KINDS[kind], [seed])
            for _ in range(4):
                alone.step()
            for one, many in zip(alone.generator.parameters(), together.generator.parameters(), strict=True):
                assert torch.allclose(one[0], many[index], atol=1e-5)  # a batch of matrices rounds differently

    def test_the_state_is_all_there_is(self):
        for config in KINDS.values():
            original = Trainer(config, [1])
            for _ in range(7):
                original.step()
            copy = Trainer(config, [1])
            copy.load_state(original.state())
            for _ in range(70):  # past the end of a block of random numbers
                original.step()
                copy.step()
            assert same(original.state(), copy.state())

    @pytest.mark.usefixtures("threads_of_before")
    def test_the_number_of_threads_changes_nothing(self):
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            trainer = Trainer(KINDS["wasserstein"], [0])
            for _ in range(5):
                trainer.step()
            found.append(trainer.state())
        assert same(*found)

    def test_a_state_of_other_networks_is_refused(self):
        with pytest.raises(RunError, match="does not fit"):
            Trainer(TINY, [0]).load_state(Trainer(TINY.changed(g_neurons=7), [0]).state())

    def test_rates_fall_to_a_fiftieth(self):
        config = TINY.changed(epochs=1, steps_per_frame=10, decay=True)
        trainer = Trainer(config, [0])
        rates = []
        for _ in range(12):
            trainer.step()
            rates.append(trainer.optimizers[GENERATOR].param_groups[0]["lr"])
        assert rates[0] == config.g_rate
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] == pytest.approx(config.g_rate / 50)

    @pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
    def test_optimisers(self, name):
        assert name in type(make_optimizer(TINY, name, 0.1, torch.nn.Linear(2, 2))).__name__.lower()

    @pytest.mark.parametrize("data", [*SHAPES, "points"])
    def test_every_distribution_trains(self, data):
        trainer = Trainer(TINY.changed(data=data, points="gACAgACA" if data == "points" else ""), [0])
        assert torch.isfinite(trainer.step()["g_loss"]).all()


class TestField:
    @pytest.mark.parametrize("kind", ["non-saturating", "least-squares"])
    def test_is_the_discriminator_on_the_grid(self, kind):
        trainer = Trainer(TINY.changed(loss=kind), [0])
        field = trainer.field(cells()).reshape(FIELD_SIZE, FIELD_SIZE)
        ticks = (np.arange(FIELD_SIZE) + 0.5) / FIELD_SIZE
        for row, column in ((0, 0), (3, 17), (39, 39), (20, 5)):
            point = torch.tensor([[[ticks[column], ticks[row]]]], dtype=torch.float32)
            value = trainer.discriminator(point).item()
            expected = 1 / (1 + math.exp(-value)) if kind == "non-saturating" else min(max(value, 0), 1)
            assert field[row, column].item() == pytest.approx(expected, abs=1e-6)

    def test_filmed_field_is_within_half_a_level(self):
        trainer = Trainer(TINY, [0])
        frame = Camera(trainer).frame()
        exact = trainer.field(cells()).reshape(FIELD_SIZE, FIELD_SIZE).numpy()
        assert np.abs(frame["field"] / 255 - exact).max() <= 0.5 / 255 + 1e-6

    def test_a_critic_is_shown_without_its_constant(self):
        trainer = Trainer(KINDS["wasserstein"], [0])
        before = trainer.field(cells())
        with torch.no_grad():
            trainer.discriminator.biases[-1] += 7
        assert torch.allclose(trainer.field(cells()), before, atol=1e-4)

    def test_a_packed_field_averages_over_real_company(self):
        trainer = Trainer(TINY.changed(packing=2), [0])
        point = torch.tensor([[0.3, 0.6]])
        packs = torch.stack([torch.stack([point[0], trainer.real[0, k]]) for k in range(8)]).reshape(1, 16, 2)
        assert trainer.logits(point).item() == pytest.approx(trainer.discriminator(packs).mean().item(), abs=1e-5)

    @pytest.mark.parametrize("kind", KINDS)
    def test_arrows_point_where_the_generators_loss_falls(self, kind):
        config = KINDS[kind]
        trainer = Trainer(config, [0])
        points = torch.rand(12, 2)
        arrows = trainer.arrows(points)

        def loss(where):
            return generator_loss(config.loss, trainer.discriminator(where)[0]).sum().item()

        assert loss(points + 1e-4 * arrows) < loss(points)
        assert not points.requires_grad

    def test_arrows_work_where_gradients_are_switched_off(self):
        trainer = Trainer(TINY, [0])
        with torch.inference_mode():
            points = trainer.first_generator(torch.rand(4, 2))
            assert trainer.arrows(points).shape == (4, 2)

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_camera_changes_nothing(self, kind):
        trainer = Trainer(KINDS[kind], [0])
        camera, before = Camera(trainer), trainer.state()
        camera.frame()
        camera.measures()
        assert same(trainer.state(), before)

    def test_lattice(self):
        assert lattice(TINY).shape == (441, 2)
        assert lattice(TINY.changed(noise_dim=1)).shape == (441, 1)
        normal = lattice(TINY.changed(noise="normal"))
        assert normal.max().item() == pytest.approx(2.3263, abs=1e-3)  # the 99 % quantile
        assert lattice(TINY)[1, 0] > lattice(TINY)[0, 0]


class TestFilm:
    def film(self, frames=3):
        live = Live(TINY)
        live.advance(60, most_steps=5 * (frames - 1))
        return live.film

    def test_round_trip(self, tmp_path):
        film = self.film()
        film.save(tmp_path)
        back = Film.load(tmp_path)
        assert (back.steps, back.about) == ([0, 5, 10], film.about)
        assert np.array_equal(back.real, film.real)
        for one, other in zip(film.frames, back.frames, strict=True):
            assert all(np.array_equal(one[name], other[name]) for name in one)

    def test_coordinates(self):
        points = np.array([[-0.5, 0.0], [1.5, 0.123456], [9.0, np.nan]])
        back = from_steps(to_steps(points))
        assert back[:2] == pytest.approx(points[:2], abs=2e-5)
        assert back[2].tolist() == [1.5, -0.5]

    def test_missing_and_damaged_files(self, tmp_path):
        with pytest.raises(RunError, match="frames.safetensors is missing"):
            Film.load(tmp_path)
        film = self.film()
        whole = film.to_bytes()
        header = int.from_bytes(whole[:8], "little")
        for content in (b"", b"nothing", whole[:100], whole[:-10], whole[:8] + b"{}" + whole[10 : 8 + header]):
            (tmp_path / film_module.FILE).write_bytes(content)
            with pytest.raises(RunError, match="no readable film"):
                Film.load(tmp_path)

    def test_parts(self):
        part = self.film().part(2)
        assert (part.steps, len(part)) == ([10], 1)


class TestLive:
    def test_any_pieces_give_the_same_training(self):
        whole, pieces = Live(TINY), Live(TINY)
        whole.advance(60, most_steps=20)
        for n in (1, 2, 7, 10):
            pieces.advance(60, most_steps=n)
        assert same(whole.trainer.state(), pieces.trainer.state())
        assert whole.film.to_bytes() == pieces.film.to_bytes()
        assert whole.film.steps == [0, 5, 10, 15, 20]

    def test_going_back_continues_exactly(self):
        live = Live(TINY)
        live.advance(60, most_steps=20)
        state, film, rows = live.trainer.state(), live.film.to_bytes(), list(live.rows)
        live.rewind(2)
        assert (live.step, live.film.steps) == (10, [0, 5, 10])
        live.advance(60, most_steps=10)
        assert same(live.trainer.state(), state)
        assert live.film.to_bytes() == film
        assert live.rows == rows

    def test_going_back_past_dropped_states(self, monkeypatch):
        live = Live(TINY)
        size = sum(tensor.nbytes for tensor in live.trainer.state().values())
        monkeypatch.setattr(gan2d_live, "STATE_BYTES", 3 * size)
        live.advance(60, most_steps=40)
        assert len(live._states) <= 4
        frame = next(i for i in range(1, 8) if i not in live._states)
        film = live.film.to_bytes()
        live.rewind(frame)
        assert live.owed > 0
        while live.step < 40:
            live.plain_step()
        assert live.film.to_bytes() == film

    def test_one_network_by_hand(self):
        live = Live(TINY)
        before = weights(live.trainer.generator)
        live.step_discriminator()
        assert same(weights(live.trainer.generator), before)
        assert (live.step, len(live.film)) == (0, 2)
        before = weights(live.trainer.discriminator)
        live.step_generator()
        assert same(weights(live.trainer.discriminator), before)
        live.step_both()
        assert (live.step, live.film.steps) == (1, [0, 0, 0, 1])

    def test_steps_by_hand_survive_going_back(self):
        live = Live(TINY)
        live.step_discriminator()
        live.advance(60, most_steps=10)
        state, film = live.trainer.state(), live.film.to_bytes()
        live.rewind(2)
        while live.step < 10:
            live.plain_step()
        assert same(live.trainer.state(), state)
        assert live.film.to_bytes() == film

    def test_a_long_film_is_thinned(self, monkeypatch):
        monkeypatch.setattr(gan2d_live, "MOST_FRAMES", 6)
        live = Live(TINY)
        live.advance(60, most_steps=50)
        assert len(live.film) <= 6
        assert live.every > TINY.steps_per_frame
        assert len(live.rows) == len(live.film)
        assert max(live._states) == len(live.film) - 1
        live.rewind(1)
        assert live.step == live.film.steps[1]

    @pytest.mark.parametrize("frame", [-1, 3, 99])
    def test_frames_that_are_not_there(self, frame):
        live = Live(TINY)
        live.advance(60, most_steps=10)
        with pytest.raises(RunError, match="no live frame"):
            live.rewind(frame)

    def recorded(self):
        """Return a recording of 20 steps, and its trainer 7 steps before frame 2."""
        original = Live(TINY)
        original.advance(60, most_steps=20)
        trainer = Trainer(TINY, [TINY.seed])
        for _ in range(3):
            trainer.step()
        film = Film.part(original.film, 0)
        film.cut(3)
        return original, trainer, film

    def test_a_branch_of_a_recording_continues_exactly(self):
        original, trainer, film = self.recorded()
        live = Live(TINY)
        live.take_over(trainer, 7, film, original.rows[:3])
        live.advance(60, most_steps=17)
        assert live.film.to_bytes() == original.film.to_bytes()
        assert live.rows == original.rows
        assert same(live.trainer.state(), original.trainer.state())

    def test_a_branch_may_go_on_otherwise(self):
        original, trainer, film = self.recorded()
        live = Live(TINY.changed(g_rate=0.1, d_optimizer="sgd", d_steps=3))
        live.take_over(trainer, 7, film, original.rows[:3])
        live.settle()
        assert torch.equal(live.trainer.generator.weights[0], trainer.generator.weights[0])  # where the recording was
        live.advance(60, most_steps=5)
        assert live.film.steps == [0, 5, 10, 15]
        assert live.film.to_bytes() != original.film.part(0).to_bytes()
        with pytest.raises(RunError, match="no live frame 1"):
            live.rewind(1)

    def test_a_branch_cannot_change_the_networks(self):
        original, trainer, film = self.recorded()
        with pytest.raises(ConfigError, match="cannot change g_neurons"):
            Live(TINY.changed(g_neurons=9)).take_over(trainer, 7, film, original.rows[:3])


class TestThumbnail:
    def film(self):
        live = Live(TINY)
        live.advance(60, most_steps=10)
        return live.film

    def test_colours_are_those_of_the_charts(self):
        assert (gan2d_thumbnail.REAL, gan2d_thumbnail.GENERATED) == (palette.REAL, palette.GENERATED)
        assert gan2d_thumbnail.DIVERGING == palette.DIVERGING

    def test_an_undecided_frame_is_grey_and_y_points_up(self):
        film = self.film()
        frame = dict(film.frames[0])
        frame["field"] = np.full((40, 40), 128, np.uint8)
        frame["points"] = to_steps(np.full((300, 2), [0.05, 0.95]))
        film.real = to_steps([[0.05, 0.05]])
        film.frames[0] = frame
        picture = gan2d_thumbnail.thumbnail(film, 0, side=10)
        assert picture[0, 0].tolist() == [0x7B, 0x32, 0x94]
        assert picture[9, 0].tolist() == [0x00, 0x9E, 0x73]
        assert np.ptp(picture[5, 5].astype(int)) <= 2

    def test_points_outside_are_left_out(self):
        film = self.film()
        film.frames[0] = {**film.frames[0], "points": to_steps(np.full((300, 2), 1.4))}
        assert gan2d_thumbnail.thumbnail(film, 0).shape == (84, 84, 3)
        assert gan2d_thumbnail.strip(film).shape == (1, 2, 84, 84, 3)
