"""Encoders of faces: one file a backbone, one table of them, and the multitask net that stands on any of them.

Letters in comments on shapes: B pictures, H × W their height and width, N tokens, D width of a token, C classes,
U action units, E width of the embedding.
"""

from emollm.encoders.base import ENCODERS, Encoder, EncoderConfig, Features
from emollm.encoders.net import FaceNet, FaceNetConfig, Outputs
from emollm.encoders.weights import Trained, load, save

__all__ = [
    "ENCODERS",
    "Encoder",
    "EncoderConfig",
    "FaceNet",
    "FaceNetConfig",
    "Features",
    "Outputs",
    "Trained",
    "load",
    "save",
]
