"""Epoch Atlas without its screen: data, models, metrics, training and charts. Never imports streamlit."""
