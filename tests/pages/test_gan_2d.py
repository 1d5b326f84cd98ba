"""The 2-D GAN's page: recorded runs without torch, the laboratory with it, hostile links."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.live import Live
from core.data.points import encode
from core.runs.store import Run, RunStore
from core.settings import ROOT
from pages._ui.controls import links
from pages._ui.gan_2d import film as gan_film
from pages._ui.gan_2d import player as gan_player
from pages._ui.gan_2d.session import Lab
from tests.pages import screen
from tests.pages.screen import texts
from tests.planted_gan import plant
from tests.tools import change

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Two tiny runs on the same points and seed."""
    folder = tmp_path_factory.mktemp("planted")
    store = RunStore(folder / "shipped", folder / "own")
    return folder / "own", [plant(store, "first"), plant(store, "second", packing=2, loss="wasserstein")]


@pytest.fixture
def runs(planted, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(planted[0]))
    return planted[1]


open_page = partial(screen.open_page, "gan_2d")


class TestRecorded:
    def test_shows_the_runs_figures(self, runs):
        app = open_page(runs[0])
        shown = {metric.label: metric.value for metric in app.metric}
        metrics = runs[0].metrics
        assert shown["JS divergence"] == f"{metrics['js_mean']:.3f} nats"
        assert shown["Modes covered"] == f"{metrics['modes_min']:.0f} of 3"
        assert shown["High quality"] == f"{metrics['high_quality_mean']:.1%}"
        assert "mean of 2 seeds" in texts(app)

    def test_the_link_names_the_frame_and_the_verdict_follows(self, runs):
        history = runs[0].history()
        for frame in (0, 3, 8):
            text = texts(open_page(runs[0], epoch=str(frame)))
            assert f"**Step {frame * 5:,}.**" in text
            assert f"JS divergence {history['js'].iloc[frame]:.3f} nats" in text

    def test_another_run_beside_it(self, runs):
        app = open_page(runs[0], **{"with": "yours: second"})
        assert app.selectbox(key="gan_2d:with").value == "yours: second"
        assert "critic's slope" in "".join(chart.proto.spec for chart in app.get("vega_lite_chart"))

    def test_frames_and_measures_are_paired_by_their_step(self, runs):
        """A row too many or too few never puts a measure beside another frame."""
        run = runs[0]
        change(run, files={})  # a run whose files are not vouched for: one of another version, say
        file = run.path / "history.csv"
        whole = file.read_text()
        rows = whole.splitlines(keepends=True)
        try:
            for changed, frames in (([*rows[:2], rows[1], *rows[2:]], 9), ([*rows[:4], *rows[5:]], 3)):
                file.write_text("".join(changed))
                pane = gan_film.pane_of(Run.read(run.path))
                assert [row["step"] for row in pane.rows] == pane.film.steps
                assert len(pane.film) == frames
        finally:
            file.write_text(whole)

    def test_the_table_of_seeds(self, runs):
        app = open_page(runs[0])
        seeds = next(one.value for one in app.dataframe if "JS (nats)" in one.value)
        assert seeds["JS (nats)"].tolist() == pytest.approx(runs[0].table("seeds")["js"].tolist())

    @pytest.mark.parametrize(
        "query",
        [
            {"epoch": "999"},
            {"epoch": "-1"},
            {"epoch": "x" * 300},
            {"layers": "<script>"},
            {"speed": "0"},
            {"with": "nobody"},
            {"from": "own/gan_2d/first@99999", "lab": "true"},
            {"from": "../../etc/passwd@1", "lab": "true"},
            {"from": "@", "lab": "true"},
            {"lab": "true", "lab__g_rate": "1e9"},
            {"lab": "true", "lab__data": "torus"},
            {"lab": "true", "lab__data": "points", "lab__points": "<img src=x>"},
            {"lab": "true", "lab__data": "points", "lab__points": "a" * 9000},
        ],
    )
    def test_hostile_links_end_in_a_page(self, runs, query):
        assert open_page(runs[0], **query).title[0].value == "2-D GAN"

    def test_a_damaged_film_leaves_the_rest_of_the_page(self, tmp_path, monkeypatch):
        store = RunStore(tmp_path / "shipped", tmp_path / "own")
        monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(tmp_path / "own"))
        run = plant(store, epochs=1)
        (run.path / "frames.safetensors").write_bytes(b"cut")
        app = open_page(run)
        assert "frames.safetensors" in texts(app) + str([one.proto.title for one in app.warning])
        assert any("JS (nats)" in one.value for one in app.dataframe)

    def test_imports_no_torch(self, runs):
        script = (
            "import sys\n"
            "from streamlit.testing.v1 import AppTest\n"
            "app = AppTest.from_file('streamlit_app.py', default_timeout=120)\n"
            f"app.query_params['run'] = {runs[0].id!r}\n"
            "app.switch_page('pages/gan_2d.py').run()\n"
            "assert not app.exception, app.exception\n"
            "assert app.title[0].value == '2-D GAN'\n"
            "sys.exit(3 if 'torch' in sys.modules else 0)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=os.environ, timeout=240, check=False)
        assert done.returncode == 0


def lab_of(app):
    return app.session_state["_lab"]


def click(app, key):
    app.button(key=key).click().run()
    assert not app.exception
    return app


class TestLaboratory:
    small = {"lab": "true", "lab__g_neurons": "6", "lab__d_neurons": "6", "lab__batch_size": "16"}

    def test_is_what_the_link_says(self, runs):
        app = open_page(runs[0], **self.small, lab__data="moons", lab__seed="4", lab__loss="wasserstein")
        live = lab_of(app).lives[0]
        assert (live.config.data, live.config.seed, live.config.loss) == ("moons", 4, "wasserstein")
        assert live.config.g_neurons == 6

    def test_steps_by_hand(self, runs):
        app = open_page(runs[0], **self.small)
        live = lab_of(app).lives[0]
        before = live.trainer.updates.copy()
        click(app, "_lab_step_discriminator")
        assert live.trainer.updates == {"discriminator": before["discriminator"] + 1, "generator": before["generator"]}
        click(app, "_lab_step_generator")
        assert live.trainer.updates["generator"] == before["generator"] + 1
        click(app, "_lab_step_both")
        assert (live.step, len(live.film)) == (1, 4)

    def test_plays_pauses_and_restarts(self, runs):
        app = open_page(runs[0], **self.small, lab__steps_per_frame="1")
        click(app, "_lab_play")
        lab = lab_of(app)
        assert lab.playing
        assert lab.lives[0].step > 0
        click(app, "_lab_play")
        stopped = lab.lives[0].step
        app.run()
        assert lab_of(app).lives[0].step == stopped
        first = lab.lives[0].film.part(0)
        click(app, "_lab_restart")
        again = lab_of(app).lives[0]
        assert again.step == 0
        assert np.array_equal(again.film.frames[0]["points"], first.frames[0]["points"])

    def test_a_changed_setting_starts_over(self, runs):
        app = open_page(runs[0], **self.small)
        click(app, "_lab_step_both")
        app.number_input(key="gan_2d:lab.g_neurons").set_value(7).run()
        assert not app.exception
        assert (lab_of(app).lives[0].step, lab_of(app).lives[0].config.g_neurons) == (0, 7)

    def test_a_preset_fills_the_form(self, runs):
        app = open_page(runs[0], lab="true")
        app.selectbox(key="preset").set_value("collapse").run()
        assert not app.exception
        assert lab_of(app).lives[0].config.g_steps == 4
        assert "Look for a generator" in texts(app)

    def test_two_configurations_share_points_and_seed(self, runs):
        app = open_page(runs[0], **self.small, two="true", differs="loss", beside__loss="least-squares")
        first, second = lab_of(app).lives
        assert (first.config.loss, second.config.loss) == ("non-saturating", "least-squares")
        assert np.array_equal(first.film.real, second.film.real)
        click(app, "_lab_step_both")
        assert first.step == second.step == 1

    def test_a_branch_continues_the_recording(self, runs):
        app = open_page(runs[0], epoch="5")
        click(app, "_branch")
        lab = lab_of(app)
        live = lab.lives[0]
        assert (live.step, len(live.film)) == (25, 6)
        assert app.query_params["from"] == f"{runs[0].id}@5"
        while live.step < 40:
            live.plain_step()
        from core.chapters.gan_2d.film import Film

        assert live.film.to_bytes() == Film.load(runs[0].path).to_bytes()

    def test_a_branch_that_cannot_be(self, runs):
        app = open_page(runs[0], epoch="5")
        click(app, "_branch")
        app.number_input(key="gan_2d:lab.g_neurons").set_value(9).run()
        assert not app.exception
        assert "a branch cannot change g_neurons" in texts(app).replace("\\", "")

    def test_own_points_come_with_the_link(self, runs):
        code = encode(np.random.default_rng(0).random((25, 2)))
        app = open_page(runs[0], **self.small, lab__data="points", lab__points=code)
        assert lab_of(app).lives[0].config.points == code
        empty = open_page(runs[0], **self.small, lab__data="points")
        assert "_lab" not in empty.session_state
        assert "Draw something to learn" in texts(empty) + str([one.proto.title for one in empty.info])

    def test_is_closed_where_training_is_switched_off(self, runs, monkeypatch):
        monkeypatch.setenv("EPOCH_ATLAS_READONLY", "1")
        app = open_page(runs[0], **self.small)
        assert "_lab" not in app.session_state
        assert "Training is switched off in this deployment" in texts(app)

    def test_two_readers_share_nothing(self, runs):
        one, other = (open_page(runs[0], **self.small) for _ in range(2))
        click(one, "_lab_step_both")
        assert (lab_of(one).lives[0].step, lab_of(other).lives[0].step) == (1, 0)
        assert lab_of(one).lives[0].trainer is not lab_of(other).lives[0].trainer


class TestMessages:
    """What a live training sends its player: frames may be lost on the way, and none must be missing for good."""

    @pytest.fixture
    def lab(self, monkeypatch):
        monkeypatch.setattr(links, "get", lambda name, offer: offer.default)
        config = GAN2DConfig(g_neurons=4, d_neurons=4, batch_size=8, n_points=50, steps_per_frame=1)
        return Lab("any", [Live(config)], serial=0)

    @staticmethod
    def send(lab, steps=1):
        """Train, and return the head of the next message."""
        live = lab.lives[0]
        for _ in range(steps):
            live.plain_step()
        data = lab.payload([gan_player.Pane("Live", "", live.film, live.rows, 10)])
        return json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])

    def test_each_repeats_the_ones_before_it(self, lab):
        heads = [self.send(lab, steps=2) for _ in range(7)]
        assert [head["total"] for head in heads] == [3, 5, 7, 9, 11, 13, 15]
        assert [head["first"] for head in heads] == [0, 0, 0, 0, 3, 5, 7]
        assert [len(head["panes"][0]["words"]) for head in heads] == [3, 5, 7, 9, 8, 8, 8]

    @pytest.mark.parametrize(
        ("said", "first"),
        [
            ({"id": "lab0.0", "has": 2}, 2),
            ({"id": "lab9.9", "has": 2}, 0),
            ({"id": "lab0.0", "has": 99}, 0),
            ({"id": "lab0.0", "has": -1}, 0),
            ({"id": "lab0.0", "has": True}, 0),
            ("has: 2", 0),
            (None, 0),
        ],
    )
    def test_the_player_is_sent_what_it_says_it_lacks(self, lab, said, first):
        for _ in range(6):
            self.send(lab)
        lab.resend(said)
        assert self.send(lab)["first"] == first

    def test_frames_that_became_wrong_are_all_sent_anew(self, lab):
        for _ in range(6):
            self.send(lab)
        name = lab.name
        lab.lives[0].rewind(2)
        head = self.send(lab)
        assert head["first"] == 0
        assert head["id"] != name

    def test_a_pause_ends_the_training_that_is_under_way(self, lab):
        lab.playing = False
        lab.advance(60)
        assert lab.lives[0].step == 0
