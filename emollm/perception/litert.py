"""One TensorFlow Lite model on LiteRT: arrays in, arrays out."""

import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.errors import ModelError
from emollm.silence import stderr_silenced

Array = NDArray[np.float32]

# Slots of the flatbuffer tables of the TensorFlow Lite schema (version 3): Model.subgraphs, SubGraph.outputs.
_MODEL_SUBGRAPHS = 8
_SUBGRAPH_OUTPUTS = 8


class Net:
    """A model with one input, on one thread; work is shared out over models, not within them.

    Args:
        model: The ``.tflite`` file, or its bytes.
        name: For error messages.
        taps: Indices of inner tensors to give as further outputs, after the model's own.

    Raises:
        ModelError: The bytes are not a model that LiteRT can run.
    """

    def __init__(self, model: Path | bytes, *, name: str, taps: Sequence[int] = ()) -> None:
        from ai_edge_litert.interpreter import Interpreter

        data = model.read_bytes() if isinstance(model, Path) else model
        try:
            if taps:
                data = with_outputs(data, taps)
            self._interpreter: Any = Interpreter(model_content=data, num_threads=1)
            with stderr_silenced():  # its line "Created TensorFlow Lite XNNPACK delegate" has no switch
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, struct.error) as error:
            raise ModelError(f"{name}: not a model that LiteRT can run: {str(error).splitlines()[0]}") from error
        self._busy = threading.Lock()
        self._input = self._interpreter.get_input_details()[0]["index"]
        details = self._interpreter.get_output_details()
        self._outputs = [detail["index"] for detail in details]
        self.input_shape: tuple[int, ...] = tuple(int(n) for n in self._interpreter.get_input_details()[0]["shape"])
        self.output_shapes = [tuple(int(n) for n in detail["shape"]) for detail in details]

    def __call__(self, x: Array) -> list[Array]:
        """Runs the model once.

        Args:
            x: The input, of ``input_shape``.

        Returns:
            One array an output, copied, in the model's order.
        """
        with self._busy:
            self._interpreter.set_tensor(self._input, x)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]

    def see(self, patch: NDArray[np.uint8], scale: float, offset: float = 0.0) -> list[Array]:
        """Runs the model on a picture, as ``patch * scale + offset``.

        The numbers are written into the model's own memory: an array of its own for each picture would be taken from and
        given back to the system each time, which stops the other threads of the process.

        Args:
            patch: (H, W, 3), of the model's input size.
            scale: Of the levels 0 to 255.
            offset: Added after that.

        Returns:
            As of a call.
        """
        with self._busy:
            levels = self._interpreter.tensor(self._input)()
            np.multiply(patch[None], np.float32(scale), out=levels)
            if offset:
                np.add(levels, np.float32(offset), out=levels)
            del levels  # the interpreter refuses to run while its memory is looked at
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]


def with_outputs(model: bytes, tensors: Sequence[int]) -> bytes:
    """The same model with further tensors of its first subgraph as outputs.

    A flatbuffer vector cannot grow in place: a longer list of outputs is appended to the file, and the subgraph's offset
    is set to it. Weights and operators stay as they are.

    Args:
        model: Bytes of a ``.tflite`` file.
        tensors: Indices of tensors to give as well, in this order, after the model's own outputs.

    Raises:
        ValueError: The bytes are no TensorFlow Lite model.
    """
    if model[4:8] != b"TFL3":
        raise ValueError("no TFL3 identifier")
    data = bytearray(model)
    data += b"\0" * (-len(data) % 4)

    def u32(at: int) -> int:
        return int(struct.unpack_from("<I", data, at)[0])

    def field(table: int, slot: int) -> int:
        vtable = table - struct.unpack_from("<i", data, table)[0]
        return table + int(struct.unpack_from("<H", data, vtable + slot)[0])

    at = field(u32(0), _MODEL_SUBGRAPHS)
    subgraphs = at + u32(at)
    first = subgraphs + 4 + u32(subgraphs + 4)
    at = field(first, _SUBGRAPH_OUTPUTS)
    old = at + u32(at)
    count = u32(old)
    outputs = struct.unpack_from(f"<{count}i", data, old + 4)
    struct.pack_into("<I", data, at, len(data) - at)
    data += struct.pack(f"<I{count + len(tensors)}i", count + len(tensors), *outputs, *tensors)
    return bytes(data)
