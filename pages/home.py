"""Home: what this is, the chapters, the data, the reader's own runs."""

import streamlit as st

st.title("Epoch Atlas")
