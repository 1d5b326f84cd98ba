"""What the chapters share on screen. Chapters import the facade, ``from pages._ui import chapter as ui``."""
