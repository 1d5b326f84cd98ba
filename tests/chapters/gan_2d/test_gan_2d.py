"""Runs of the 2-D GAN: trained, filmed, evaluated over seeds, stopped and resumed, branched."""

import numpy as np
import pandas as pd
import pytest
import torch

from core.chapters.gan_2d import evaluate as evaluate_module
from core.chapters.gan_2d import train as gan_2d
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.evaluate import over_seeds
from core.chapters.gan_2d.film import Film
from core.chapters.gan_2d.live import Live
from core.chapters.gan_2d.presets import PRESETS
from core.chapters.gan_2d.recorded import state_before
from core.chapters.gan_2d.train import Film2DTask, state_interval
from core.chapters.gan_2d.trainer import Trainer
from core.data.points import encode
from core.errors import RunError
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.training import loop
from core.training.session import new_run, work
from core.training.verifying import compare, read_whole

TINY = GAN2DConfig(
    data="disjoint", g_neurons=6, d_neurons=6, batch_size=24, n_points=200, epochs=6, steps_per_frame=4, trials=3
)


class Killed(BaseException):
    """Stands for a killed process: nothing in the loop may catch it."""


def make(folder, config=TINY, name="tiny"):
    return new_run(RunStore(folder / "shipped", folder / "own"), "gan_2d", config, name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = make(tmp_path_factory.mktemp("trained"))
    assert work(run, device="cpu") == "finished"
    return Run.read(run.path)


class TestTraining:
    def test_records_every_frame_from_the_untrained_state_on(self, trained):
        film, history = Film.load(trained.path), trained.history()
        assert film.steps == [0, 4, 8, 12, 16, 20, 24]
        assert history["epoch"].tolist() == list(range(7))
        assert history["step"].tolist() == film.steps
        wanted = ["js", "kl", "modes", "high_quality", "reverse_kl", "sigma_ratio", "arrow", "undecided"]
        assert np.isfinite(history[wanted]).all().all()
        assert np.isfinite(history.loc[1:, ["train_loss", "train_d_loss", "train_g_loss"]]).all().all()

    def test_leaves_a_picture_for_the_home_page(self, trained):
        assert trained.sample_epochs() == [6]
        assert trained.sample(6).size == (2 * 84 + 2, 84)

    def test_every_file_reads(self, trained):
        read_whole(trained)

    def test_stop_and_resume_is_bit_identical(self, trained, tmp_path):
        run = make(tmp_path)
        stop_at = 3

        def stop(done, total, row):
            if row is not None and row["epoch"] == stop_at:
                (run.path / "stop").touch()

        assert work(run, "cpu", stop) == "stopped"
        assert len(Film.load(run.path)) == stop_at + 1
        assert work(Run.read(run.path), "cpu") == "finished"
        again = Run.read(run.path)
        assert Film.load(run.path).to_bytes() == Film.load(trained.path).to_bytes()
        assert (run.path / "weights.safetensors").read_bytes() == (trained.path / "weights.safetensors").read_bytes()
        pd.testing.assert_frame_equal(
            again.history().drop(columns="elapsed_s"), trained.history().drop(columns="elapsed_s")
        )
        assert again.metrics == trained.metrics

    @pytest.mark.parametrize("epoch", [0, 1, 3])
    @pytest.mark.parametrize("place", ["step", "frame", "log", "resume point", "end of epoch"])
    def test_killed_anywhere_and_resumed_is_as_never_killed(self, trained, tmp_path, monkeypatch, place, epoch):
        """Three kills at the same place, ``epoch`` frames in; history and film end as if there had been none."""
        run = make(tmp_path)

        def kill_at(owner, name, after):
            plain = getattr(owner, name)

            def killing(*args, **kwargs):
                done = Run.read(run.path).epochs_done >= epoch
                value = None if done and not after else plain(*args, **kwargs)
                if done:
                    raise Killed
                return value

            return killing

        owner, name, after = {
            "step": (Film2DTask, "step", False),
            "frame": (Film2DTask, "validate", True),
            "log": (Recorder, "log", True),
            "resume point": (loop, "save_resume", True),
            "end of epoch": (Recorder, "progress", False),
        }[place]
        for _ in range(3):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, kill_at(owner, name, after))
                with pytest.raises(Killed):
                    gan_2d.train(TINY, Recorder(Run.read(run.path)))
        assert gan_2d.train(TINY, Recorder(Run.read(run.path))) == "finished"
        assert Film.load(run.path).to_bytes() == Film.load(trained.path).to_bytes()
        history = Run.read(run.path).history().drop(columns="elapsed_s")
        pd.testing.assert_frame_equal(history, trained.history().drop(columns="elapsed_s"))
        assert len((run.path / "history.csv").read_text().splitlines()) == TINY.epochs + 2

    @pytest.mark.parametrize("steps", [1, 3])
    def test_stopped_before_the_first_frame_and_resumed_is_as_never_stopped(
        self, trained, tmp_path, monkeypatch, steps
    ):
        run = make(tmp_path)
        plain, taken = Film2DTask.step, []

        def stopping(task, batch, generator):
            taken.append(batch)
            if len(taken) == steps:
                (run.path / "stop").touch()
            return plain(task, batch, generator)

        for _ in range(3):
            taken.clear()
            with monkeypatch.context() as patch:
                patch.setattr(Film2DTask, "step", stopping)
                assert work(Run.read(run.path), "cpu") == "stopped"
            assert Film.load(run.path).steps == [0]
            assert (run.path / "history.csv").read_text().count("\n") == 2
        assert work(Run.read(run.path), "cpu") == "finished"
        assert Film.load(run.path).to_bytes() == Film.load(trained.path).to_bytes()
        assert Run.read(run.path).history()["epoch"].tolist() == list(range(TINY.epochs + 1))

    def test_a_film_that_ends_too_early_is_refused_not_shifted(self, tmp_path):
        run = make(tmp_path)
        stop = lambda done, total, row: (run.path / "stop").touch() if row and row["epoch"] == 3 else None  # noqa: E731
        assert work(run, "cpu", stop) == "stopped"
        film = Film.load(run.path)
        film.cut(3)
        film.save(run.path)
        with pytest.raises(RunError, match="ends before frame 3"):
            work(Run.read(run.path), "cpu")

    def test_another_seed_is_another_training(self, trained, tmp_path):
        run = make(tmp_path, TINY.changed(seed=1, epochs=1, trials=1))
        work(run, "cpu")
        assert Film.load(run.path).frames[0]["points"].tolist() != Film.load(trained.path).frames[0]["points"].tolist()

    def test_divergence_is_a_result(self, tmp_path):
        config = TINY.changed(loss="least-squares", d_optimizer="sgd", d_rate=1.0, g_optimizer="sgd", g_rate=1.0)
        run = make(tmp_path, config.changed(epochs=60, trials=1, decay=False, d_layers=3, d_neurons=64))
        assert work(run, "cpu") == "diverged"
        read = Run.read(run.path)
        assert len(Film.load(run.path)) == read.epochs_done + 1

    def test_the_readers_points(self, tmp_path):
        points = np.random.default_rng(0).random((30, 2))
        run = make(tmp_path, TINY.changed(data="points", points=encode(points), epochs=2))
        assert work(run, "cpu") == "finished"
        assert set(Run.read(run.path).metrics) >= {"js_mean", "kl_mean", "js_floor"}
        assert "modes_min" not in Run.read(run.path).metrics


class TestEvaluation:
    def test_has_the_metrics_and_tables_of_the_chapter(self, trained):
        assert set(trained.metrics) >= {"modes_min", "high_quality_mean", "reverse_kl_mean", "js_mean", "trials"}
        seeds = trained.table("seeds")
        assert seeds["seed"].tolist() == [0, 1, 2]
        assert trained.metrics["js_mean"] == pytest.approx(seeds["js"].mean())
        assert trained.metrics["modes_min"] == seeds["modes"].min()
        shares = trained.table("modes")
        assert shares.groupby("seed").size().tolist() == [3, 3, 3]

    def test_is_recomputed_from_the_run_alone(self, trained):
        compared = compare(trained)
        assert {one.metric for one in compared} == set(trained.metrics)
        assert all(one.difference == 0 for one in compared)

    def test_a_seed_in_the_table_is_that_seed_trained_alone(self, trained, tmp_path):
        run = make(tmp_path, TINY.changed(seed=2, trials=1))
        work(run, "cpu")
        alone = Run.read(run.path).table("seeds").iloc[0]
        beside = trained.table("seeds").set_index("seed").loc[2]
        for name in ("js", "high_quality", "reverse_kl"):
            # Stacked matrices round differently, and 24 steps amplify it little.
            assert alone[name] == pytest.approx(beside[name], abs=2e-3)

    def test_over_seeds(self):
        seeds = pd.DataFrame({"seed": [0, 1], "js": [0.1, 0.3], "modes": [8.0, 6.0]})
        found = over_seeds(seeds)
        assert found["js_mean"] == pytest.approx(0.2)
        assert found["js_std"] == pytest.approx(0.1414, abs=1e-4)
        assert (found["js_max"], found["modes_min"]) == (0.3, 6)
        assert over_seeds(seeds.head(1))["js_std"] == 0

    def test_a_tolerance_for_every_metric(self, trained):
        assert "" in evaluate_module.TOLERANCES
        assert set(evaluate_module.TOLERANCES) - {""} <= set(trained.metrics)


class TestBranch:
    @pytest.mark.parametrize("epoch", range(7))
    def test_continues_exactly_as_the_original_did(self, trained, epoch):
        film, history = Film.load(trained.path), trained.history()
        whole = Film.load(trained.path).to_bytes()
        trainer, owed = state_before(trained, epoch)
        film.cut(epoch + 1)
        live = Live(TINY.changed(trials=1))
        live.take_over(trainer, owed, film, history.iloc[: epoch + 1].to_dict("records"))
        while live.step < 24:
            live.plain_step()
        assert live.film.to_bytes() == whole
        for row, stored in zip(live.rows[epoch + 1 :], history.iloc[epoch + 1 :].to_dict("records"), strict=True):
            assert all(stored[name] == row[name] for name in ("js", "kl", "modes", "arrow", "undecided"))

    def test_states_fit_their_budget_and_lead_anywhere(self, trained, tmp_path, monkeypatch):
        monkeypatch.setattr(gan_2d, "STATE_BYTES", 3 * 4 * 200)
        run = make(tmp_path, TINY.changed(trials=1))
        work(run, "cpu")
        kept = {int(file.stem) for file in (run.path / "states").iterdir()}
        assert kept < {1, 2, 3, 4, 5, 6}
        trainer, owed = state_before(Run.read(run.path), 5)
        assert owed == 4 * (5 - max((k for k in kept if k <= 5), default=0))
        for _ in range(owed):
            trainer.step()
        exact, none = state_before(trained, 5)
        assert none == 0
        assert all(
            torch.equal(a, b) for a, b in zip(trainer.generator.parameters(), exact.generator.parameters(), strict=True)
        )

    def test_interval(self):
        small, large = (Trainer(TINY.changed(g_neurons=n, d_neurons=n), [0]) for n in (4, 128))
        assert state_interval(small, 100) == 1
        assert state_interval(large, 100) > 1

    @pytest.mark.parametrize("epoch", [-1, 7, 1000])
    def test_frames_that_were_not_recorded(self, trained, epoch):
        with pytest.raises(RunError, match="has no frame"):
            state_before(trained, epoch)


class TestPresets:
    def test_names_are_the_shipped_runs(self):
        assert list(PRESETS) == ["parabola", "line", "ring", "grid", "moons", "disjoint", "collapse"]

    @pytest.mark.parametrize("name", PRESETS)
    def test_configs_are_valid(self, name):
        assert isinstance(PRESETS[name].config(trials=10), GAN2DConfig)

    @pytest.mark.parametrize("name", PRESETS)
    def test_the_shipped_run_was_trained_with_it(self, name):
        assert RunStore().get(f"shipped/gan_2d/{name}").config == PRESETS[name].config(trials=10)

    def test_the_default_preset_is_the_default_config(self):
        assert PRESETS["parabola"].config() == GAN2DConfig()

    def test_the_failure_has_data_and_seed_in_common_with_a_success(self):
        assert PRESETS["collapse"].config().data == PRESETS["disjoint"].config().data
