"""Tiny invented sounds and videos for sweeps."""

from pathlib import Path

import av
import numpy as np

from emollm.eval.sweeping.media import sixteen_bits, wav
from emollm.media.audio import RATE


def speech(seed: int, seconds: float = 2.0, loud: float = 0.2) -> np.ndarray:
    """(n,) syllables of a hum with a second of silence after them."""
    time = np.arange(round(seconds * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * (100 + 20 * seed) * k * time) / k for k in range(1, 6))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time), 0, 1)
    return np.concatenate([loud * hum / 2 * syllables, np.zeros(RATE)]).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray) -> Path:
    path.write_bytes(wav(samples))
    return path


def write_video(path: Path, grey: int) -> Path:
    """Half a second of one grey level with a hum."""
    with av.open(str(path), "w") as target:
        pictures = target.add_stream("mjpeg", rate=10)
        pictures.width = pictures.height = 32
        pictures.pix_fmt = "yuvj420p"
        sound = target.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for at in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), grey, np.uint8), format="rgb24")
            frame.pts = at
            target.mux(pictures.encode(frame.reformat(format="yuvj420p")))
        target.mux(pictures.encode(None))
        hum = sixteen_bits(speech(1)[: RATE // 2])[None]
        block = av.AudioFrame.from_ndarray(hum, format="s16", layout="mono")
        block.sample_rate, block.pts = RATE, 0
        target.mux(sound.encode(block))
        target.mux(sound.encode(None))
    return path
