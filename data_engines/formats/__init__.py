"""Formats of other projects: one module a layout, a reader and a writer each."""
