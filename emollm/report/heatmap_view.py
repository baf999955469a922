"""What a page shows of where a face net looked: plain values for the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emollm.report.heatmap import DISCLAIMER, tile, words
from emollm.report.heatmap_faces import FaceHeat, Unmapped
from emollm.report.pictures import image_uri

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE = 240


class HeatView(NamedTuple):
    """The map of one person, or why there is none."""

    text: str
    """Class, probability and layer; without a map the reason."""
    net: str
    """``name@version``."""
    crop: str | None
    """What the net was shown, as a data URI; None where there is no map."""
    map: str | None
    """The same with the map over it."""
    note: str = DISCLAIMER


def view(item: FaceHeat | Unmapped, net: str) -> HeatView:
    """What is shown of one person.

    Args:
        item: The map, or why there is none.
        net: ``name@version``.
    """
    if isinstance(item, Unmapped):
        return HeatView(f"No map: {item.reason}.", net, None, None)
    crop, mapped = (_uri(image) for image in tile(item, _SIDE))
    text = "; ".join(words(item, named=False))
    return HeatView(f"{text}; layer {item.layer}", net, crop, mapped)


def _uri(image: Image) -> str:
    return image_uri(image, _SIDE)
