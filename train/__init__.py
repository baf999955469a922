"""Training stages: one runnable module each, driven by a recipe."""
