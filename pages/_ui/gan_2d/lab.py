"""The laboratory of the 2-D GAN: a live training of the reader's own, alone or two side by side.

It lives in the reader's session; two browsers share nothing. While it plays, a fragment trains for a moment, sends the
player what is new, and lets the page answer; everything that can be set is in the link, the drawing included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from core import settings
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.presets import PRESETS
from core.data.point_files import read_points
from core.data.points import OWN, decode, distribution, encode, own_points
from core.errors import AtlasError, DataError
from core.runs.store import Run
from core.words import as_text
from pages._ui.controls import forms, links
from pages._ui.controls.offers import Offer
from pages._ui.gan_2d import player as gan_player
from pages._ui.gan_2d.film import film_of
from pages._ui.gan_2d.session import Lab
from pages._ui.shell import states
from pages._ui.shell.training_panel import READ_ONLY
from pages._ui.show import reading

if TYPE_CHECKING:
    from core.chapters.gan_2d.live import Live

LAB, BESIDE = "lab", "beside"  # of the options' keys: lab.g_rate, beside.g_rate
POINTS, FROM = "lab.points", "from"
TEXT = Offer("text", "")
UPLOAD_MB = 5  # like server.maxUploadSize; the reader of points takes less, and says so
BURST_S, PAUSE_S = 0.25, 0.4  # trains this long in every such while: the rest is for the page
CANVAS, STAGE = "lab-canvas", "lab-player"
GROUPS = {
    "Points and noise": ("data", "noise", "noise_dim", "seed", "jitter"),
    "Generator": ("g_layers", "g_neurons", "g_steps", "g_optimizer", "g_rate"),
    "Discriminator": ("d_layers", "d_neurons", "d_steps", "d_optimizer", "d_rate"),
    "Loss": ("loss", "gp_weight", "packing", "batch_size", "steps_per_frame"),
}
MORE = ("activation", "d_features", "beta1", "beta2", "decay")
SHARED = ("data", "seed", "jitter", "steps_per_frame")  # what two configurations side by side have in common


def begin_branch(run: Run, frame: int) -> None:
    """Callback: open the laboratory at a recorded frame, with the run's configuration."""
    forms.fill(LAB, run.config.to_dict(), GAN2DConfig)
    _keep_points(run.config_as(GAN2DConfig).points)
    links.put(FROM, f"{run.id}@{frame}", TEXT)
    links.set_controls({"lab": True})


def begin_preset() -> None:
    """Callback: take over the chosen preset's configuration and start it from the beginning."""
    name = st.session_state.get("preset")
    if name in PRESETS:
        forms.fill(LAB, PRESETS[name].config().to_dict(), GAN2DConfig)
        links.put(FROM, "", TEXT)


def show_lab(runs: Sequence[Run]) -> None:
    """Show the laboratory. Loads torch, unless training is switched off here."""
    if settings.read_only():
        st.caption(READ_ONLY)
        return
    _preset_bar()
    origin = _origin(runs)
    config = _configured(LAB, GAN2DConfig() if origin is None else origin[0].config_as(GAN2DConfig).changed(trials=1))
    if config is None:
        return
    beside = _beside(config)
    configs = [config] if beside is None else [config, beside]
    try:
        lab = _lab(configs, origin)
    except AtlasError as error:
        states.problem(error)
        if origin is not None:
            st.button("Start from the beginning instead", on_click=links.put, args=(FROM, "", TEXT))
        return
    _buttons(lab, origin)
    st.fragment(_stage, run_every=PAUSE_S if lab.playing else None)(config)


def _preset_bar() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Preset",
            list(PRESETS),
            format_func=lambda name: PRESETS[name].title,
            index=None,
            placeholder="Take a preset's settings",
            key="preset",
            on_change=begin_preset,
            width=360,
        )
        chosen = st.session_state.get("preset")
        if chosen in PRESETS:
            st.caption(f"Look for {PRESETS[chosen].look_for}.")


def _configured(prefix: str, base: GAN2DConfig) -> GAN2DConfig | None:
    """Show the settings and return ``base`` with them; None (and why) where they do not hold together."""
    values: dict[str, Any] = {}
    with st.expander("Settings: points, noise, networks, losses", expanded=True, key="lab-settings"):
        for column, (title, names) in zip(st.columns(len(GROUPS), gap="medium"), GROUPS.items(), strict=True):
            with column:
                st.markdown(f"**{title}**")
                for name in names:
                    if GAN2DConfig.matters(name, values):
                        values[name] = forms.field(prefix, GAN2DConfig.option(name), base)
        with st.popover("More settings"):
            for name in MORE:
                values[name] = forms.field(prefix, GAN2DConfig.option(name), base)
        if values["data"] == OWN:
            values["points"] = _own_points()
    try:
        if values["data"] == OWN and not values["points"]:
            states.nothing_yet(
                "Draw something to learn", "Draw strokes into the square above, or load a file: training begins then."
            )
            return None
        return base.changed(**values)
    except AtlasError as error:
        states.problem(error)
        return None


def _keep_points(code: str) -> None:
    """Callback: put other points into the square and the link."""
    links.put(POINTS, code, TEXT)
    gan_player.replace_points(CANVAS)


def _own_points() -> str:
    """Show the square and the file loader; return the code of the reader's points."""
    code = links.get(POINTS, TEXT, "Own points")
    try:
        if code:
            decode(code)
    except DataError as error:
        states.problem(error)
        code = ""
    left, right = st.columns([1, 1.2], gap="medium")
    with left:
        drawn = gan_player.canvas(code, key=CANVAS, label="Square to draw a distribution of points into")
    if drawn is not None and drawn != st.session_state.get("_lab_drawn"):
        st.session_state["_lab_drawn"] = drawn
        code = encode(own_points(drawn).points) if drawn else ""
        links.put(POINTS, code, TEXT)
    with right:
        st.markdown(
            "Draw with mouse, pen or finger, or with the arrow keys and the space bar. The points become the real "
            "distribution, each blurred by the jitter; they travel in the page's link."
        )
        file = st.file_uploader(
            "Or load a file with columns x and y",
            type=["csv", "txt", "tsv", "dat"],
            key="lab-csv",
            max_upload_size=UPLOAD_MB,
            help="Columns apart by commas, semicolons, tabs or spaces, as pandas, numpy, R or a spreadsheet save them",
        )
        if file is not None and st.session_state.get("_lab_file") != file.file_id:
            st.session_state["_lab_file"] = file.file_id
            try:
                loaded = read_points(file.getvalue())
            except DataError as error:
                st.session_state["_lab_said"] = error
            else:
                st.session_state["_lab_said"] = str(loaded)
                _keep_points(encode(loaded.points))
                st.rerun()
        said = st.session_state.get("_lab_said") if file is not None else None
        if isinstance(said, DataError):
            states.problem(said)
        elif said:
            st.caption(as_text(said))
    return code


def _beside(config: GAN2DConfig) -> GAN2DConfig | None:
    """Let the reader set a second configuration on the same points and seed; return it, or None."""
    if not links.control(st.toggle, "A second configuration beside it", key="two"):
        return None
    names = [
        option.name
        for option in GAN2DConfig.options()
        if option.name in {name for group in GROUPS.values() for name in group} | set(MORE)
        and option.name not in SHARED
    ]
    picked = links.control(
        st.multiselect,
        "What differs in it",
        names,
        key="differs",
        former={one.formerly: one.name for one in GAN2DConfig.options() if one.formerly},
        default=["loss"],
        format_func=lambda name: forms.label_of(GAN2DConfig.option(name)),
    )
    changes: dict[str, Any] = {}
    if picked:
        for column, name in zip(st.columns(max(len(picked), 3)), picked, strict=False):
            with column:
                changes[name] = forms.field(BESIDE, GAN2DConfig.option(name), config)
    try:
        return config.changed(**changes)
    except AtlasError as error:
        states.problem(error)
        return None


def _origin(runs: Sequence[Run]) -> tuple[Run, int] | None:
    """Return the recorded frame that the link branches from; None where it names none that is there."""
    asked = links.get(FROM, TEXT)
    if not asked:
        return None
    run_id, sign, text = asked.rpartition("@")
    run = next((one for one in runs if one.id == run_id), None)
    if run is None or not sign or not text.isdecimal() or int(text) > run.epochs_done:
        links.refuse(
            FROM, "Frame to train on from", TEXT, "there is no such frame here", "a training from its beginning"
        )
        return None
    return run, int(text)


def _lab(configs: list[GAN2DConfig], origin: tuple[Run, int] | None) -> Lab:
    """Return the session's laboratory for these settings; a new one, not playing, where they have changed."""
    place = None if origin is None else (origin[0].id, origin[0].digest, origin[1])
    signature = (tuple(tuple(config.to_dict().items()) for config in configs), place)
    lab: Lab | None = st.session_state.get("_lab")
    if lab is None or lab.signature != signature:
        serial = 0 if lab is None else lab.serial + 1
        lab = Lab(signature, [_live(config, origin) for config in configs], serial)
        lab.titles = ["Live" if len(configs) == 1 else "First configuration", "Second configuration"]
        st.session_state["_lab"] = lab
    return lab


def _live(config: GAN2DConfig, origin: tuple[Run, int] | None) -> Live:
    from core.chapters.gan_2d.live import Live
    from core.chapters.gan_2d.recorded import state_before

    live = Live(config)
    if origin is not None:
        run, frame = origin
        trainer, owed = state_before(run, frame)
        film = film_of(run).part(0)
        film.cut(frame + 1)
        rows = reading.history(run).iloc[: frame + 1].to_dict("records")
        live.take_over(trainer, owed, film, rows)
    return live


def _play(lab: Lab, playing: bool) -> None:
    lab.playing = playing


def _restart() -> None:
    """Callback: forget the trainings; the same settings and seed begin again."""
    lab: Lab | None = st.session_state.get("_lab")
    if lab is not None:
        st.session_state["_lab"] = Lab(None, [], lab.serial)


def _by_hand(lab: Lab, name: str) -> None:
    lab.playing = False
    with lab.lock:
        for live in lab.lives:
            getattr(live, name)()


def _go_back(lab: Lab) -> None:
    """Callback: continue from the frame that the player shows."""
    lab.playing = False
    with lab.lock:
        frame = _shown(lab)
        if frame is None:
            return
        step = lab.lives[0].film.steps[frame]
        for live in lab.lives:
            index = max(i for i, one in enumerate(live.film.steps) if one <= step)
            live.rewind(max(index, live.first))


def _shown(lab: Lab) -> int | None:
    state = st.session_state.get(STAGE) or {}
    return gan_player.rest_of(state, lab.name, len(lab.lives[0].film)).frame


def _buttons(lab: Lab, origin: tuple[Run, int] | None) -> None:
    """Show the controls of the training: outside of what is redrawn while it plays, so that no click is lost."""
    if origin is not None:
        run, frame = origin
        step = frame * run.config_as(GAN2DConfig).steps_per_frame
        st.caption(
            f":material/fork_right: Continues the run {run.name} from frame {frame}, step {step:,}. Change nothing, "
            "and its frames are those of the recording; change a rate, a loss or the steps per update, and see what "
            "would have been."
        )
    with st.container(horizontal=True, gap="small", key="lab-buttons"):
        st.button(
            "Pause" if lab.playing else "Train",
            key="_lab_play",
            type="primary",
            icon=":material/pause:" if lab.playing else ":material/play_arrow:",
            on_click=_play,
            args=(lab, not lab.playing),
        )
        for label, name, words in (
            ("Discriminator only", "step_discriminator", "One update of the discriminator; the generator stays"),
            ("Generator only", "step_generator", "One update of the generator; the discriminator stays"),
            ("One step of both", "step_both", "The discriminator's updates of one step, then the generator's"),
        ):
            st.button(
                label,
                key=f"_lab_{name}",
                icon=":material/skip_next:",
                help=words,
                on_click=_by_hand,
                args=(lab, name),
            )
        st.button(
            "Continue from the frame shown",
            key="_lab_back",
            icon=":material/fork_right:",
            help="Forgets the frames after it and trains on from there, exactly as before",
            on_click=_go_back,
            args=(lab,),
        )
        st.button(
            "Restart",
            key="_lab_restart",
            icon=":material/replay:",
            help="The same settings and the same seed, from the beginning",
            on_click=_restart,
        )
        if origin is not None:
            st.button("Leave the branch", key="_lab_leave", on_click=links.put, args=(FROM, "", TEXT))


def _stage(config: GAN2DConfig) -> None:
    """Train for a moment where it plays, and show the player."""
    lab: Lab = st.session_state["_lab"]
    if not lab.lives:
        return
    if lab.playing:
        lab.advance(BURST_S)
    n_modes = distribution(config.data, config.points, config.jitter).n_modes
    with lab.lock:
        panes = [
            gan_player.Pane(title, _about(live), live.film, live.rows, n_modes)
            for live, title in zip(lab.lives, lab.titles, strict=False)
        ]
        data, name, frames = lab.payload(panes), lab.name, len(lab.lives[0].film)
    gan_player.player(data, key=STAGE, name=name, frames=frames, on_resync=_resend)


def _resend() -> None:
    """Callback: the player lacks frames and says which it has."""
    lab: Lab | None = st.session_state.get("_lab")
    if lab is not None and lab.lives:
        lab.resend((st.session_state.get(STAGE) or {}).get("resync"))


def _about(live: Live) -> str:
    """Return what a training is, in a line."""
    config = live.config
    owed = f" · replaying {live.owed:,} steps" if live.owed else ""
    pack = f", packs of {config.packing}" if config.packing > 1 else ""
    return f"{config.loss}{pack} · seed {config.seed} · step {live.step:,}{owed}"
