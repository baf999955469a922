"""Which emotion, how strongly, and why: multimodal emotion reasoning with measured evidence."""

__version__ = "0.1.0"
