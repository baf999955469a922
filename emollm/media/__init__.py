"""Decoding: images now; video and audio follow the same shape."""
