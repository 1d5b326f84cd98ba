"""Charts: pure functions of a DataFrame that return an Altair chart; no torch, no Streamlit, no experiments."""
