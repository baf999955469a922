"""Lets the package index's torchvision be imported beside a torch without CUDA.

``.ci/environment.py`` copies this file into the environment as ``_torchvision_cpu.py`` and has every interpreter import it
at start through a ``.pth`` file, because vLLM, peft, timm and others import torchvision in processes that never see emollm.
It imports nothing heavy and does nothing until somebody imports torchvision.

That build's compiled operators want CUDA libraries. torchvision copes with their absence, except that it describes the
shapes of ``nms`` and ``qnms`` without looking whether they exist. So their schemas are defined here, without a kernel: the
import works, and calling them still raises torchvision's own error.
"""

import sys

TYPE_CHECKING = False  # as in typing, which every interpreter would have to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: "list[object]" = []  # a library's definitions end with the object that holds them


class _AfterExtension:
    """Finder that lets ``torchvision.extension`` load as usual and then defines what it could not."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None, /
    ) -> "ModuleSpec | None":
        if name != "torchvision.extension":
            return None
        from importlib.machinery import PathFinder  # here, since it costs 2 ms that every interpreter would pay

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: "ModuleType") -> None:
                run(module)
                _define_missing()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this loader only
        return spec


def _define_missing() -> None:
    """Defines the operators that torch does not know, unless torch has CUDA: then their absence is a real fault."""
    import torch

    if torch.version.cuda is not None or torch.version.hip is not None:
        return
    absent = [line for line in _SIGNATURES if not hasattr(torch.ops.torchvision, line.partition("(")[0])]
    if absent:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for line in absent:
            library.define(line)
        _kept.append(library)


sys.meta_path.insert(0, _AfterExtension)
