"""Filters: what is not kept of what engines wrote, each with its reason."""
