"""Glossary: the field's terms."""

import streamlit as st

from pages._ui.shell import begin
from pages._ui.shell.glossary import TERMS, anchor

begin.begin()
st.title("Glossary")
st.markdown("The field's terms as this app uses them. Pages link to them where a term first appears.")
for name in sorted(TERMS, key=str.lower):
    with st.container(gap="xxsmall"):
        st.subheader(name, anchor=anchor(name))
        st.markdown(TERMS[name])
