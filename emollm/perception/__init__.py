"""Perception: the backends that measure, and observe(), the only way anything is measured."""

from typing import TYPE_CHECKING

from emollm.errors import MediaError
from emollm.types import Clip, MediaInfo, Observation

if TYPE_CHECKING:
    from emollm.perception.settings import PerceptionSettings


def observe(clip: Clip, settings: "PerceptionSettings | None" = None) -> Observation:
    """All that can be measured in a clip, and what cannot, with the reason.

    A clip's table stands for its picture where both are given. Unreadable media are refused before any model is opened.

    Args:
        clip: What to look at.
        settings: Backends and thresholds; the defaults if not given.

    Raises:
        MediaError: The picture cannot be read, or the clip has nothing that can be measured yet.
        DataError: The table cannot be read.
        AssetError: A model that is needed cannot be had.
    """
    from emollm.perception.photo import open_photo_perception
    from emollm.perception.settings import PerceptionSettings

    if clip.table is not None:
        from emollm.perception.tables import read_table

        return read_table(clip.table, clip.id)
    if clip.image is not None:
        from emollm.media.images import read_image

        picture = read_image(clip.image)
        return open_photo_perception(settings or PerceptionSettings())(picture, clip.id)
    if clip.transcript is not None and clip.video is None and clip.audio is None:
        return Observation(id=clip.id, media=MediaInfo(kind="text"))
    raise MediaError(f"{clip.id}: this version measures photos and tables; give a photo or a table of measurements")
