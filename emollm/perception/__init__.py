"""Perception: the backends that measure, and observe(), the only way anything is measured."""
