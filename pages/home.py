"""Home: what this is, the chapters, the data, the reader's own runs."""

import streamlit as st

from core.registry import EXPERIMENTS
from core.runs.store import RunStore
from pages._ui.shell import begin, cards, datasets, own_runs
from pages._ui.shell import navigation as atlas
from pages._ui.shell.glossary import term

FIRST_PATH = ("classifier", "vae", "gan_2d")

begin.begin()
runs, broken = RunStore().scan()

st.title("Epoch Atlas")
st.markdown(
    "Classic experiments with neural networks, epoch by epoch. Every chapter opens with a finished training: scrub "
    f"through its {term('epoch', 'epochs')}, see what the network had learned by then, change something and train "
    "it again. Every figure is read from the run it belongs to, and stands beside published ones."
)

with st.container(border=True, key="first-path"):
    st.markdown(
        "**New here?** Begin with the digit classifier: look at what it still gets wrong, then draw a digit yourself. "
        "Go on to the autoencoder that draws digits itself, and end with two networks that play against each other."
    )
    with st.container(horizontal=True, gap="medium"):
        for name in FIRST_PATH:
            about = EXPERIMENTS[name]
            st.page_link(atlas.page_of(name), label=about.title, icon=about.icon)

with st.grid(3, min_column_width=280, key="chapters"):
    for chapters in atlas.chapters().values():
        for about in chapters:
            cards.card(about, [run for run in runs if run.experiment == about.name])

st.header("Data on this machine", anchor="data")
datasets.data_sets()

st.header("Your runs", anchor="runs")
own_runs.own_runs(runs, broken)
