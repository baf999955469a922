"""Options of ``emollm explain`` for heat maps, and the maps of one clip."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from emollm.errors import ConfigError
from emollm.types import Clip, Observation

if TYPE_CHECKING:
    from PIL.Image import Image

    from emollm.media.images import Picture
    from emollm.report.heatmap_faces import Heatmaps
    from emollm.report.heatmap_view import HeatView


class HeatRequest(NamedTuple):
    """What is asked for with ``--heatmap``."""

    target: Path
    maps: "Heatmaps"


def heatmap_options(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of heat maps; it takes them as ``heat``, a :class:`HeatRequest` or None.

    Net, class and layer are looked up before any clip is opened.
    """

    @functools.wraps(command)
    def gathered(*given: Any, **values: Any) -> int:
        target = values.pop("heatmap")
        names = {name: values.pop(f"heatmap_{name}") for name in ("net", "class", "layer", "activations")}
        chosen = {name: value for name, value in names.items() if value not in (None, False)}
        if target is None and chosen:
            option = f"--heatmap-{next(iter(chosen))}"
            raise ConfigError(f"{option}: is about the heat map, and none is asked for; give --heatmap FILE|FOLDER")
        empty = next((name for name, value in chosen.items() if value is not True and not value.strip()), None)
        if empty is not None:
            raise ConfigError(f"--heatmap-{empty}: the name is empty; leave it out for the default")
        return command(*given, heat=None if target is None else HeatRequest(target, _opened(chosen)), **values)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


def _opened(chosen: Mapping[str, Any]) -> "Heatmaps":
    from emollm.report.heatmap_faces import Heatmaps, HeatmapSettings

    fields = {"label" if name == "class" else name: value for name, value in chosen.items()}
    return Heatmaps(HeatmapSettings(**fields))


_OPTIONS: tuple[Callable[[Callable[..., int]], Callable[..., int]], ...] = (
    click.option(
        "--heatmap",
        type=click.Path(path_type=Path),
        metavar="FILE|FOLDER",
        help="Write where a face net looked (Grad-CAM) over each face of the photo, or of a video's most expressive moments.",
    ),
    click.option("--heatmap-net", metavar="NAME|FOLDER", help="Face net of the heat map; default: face-mt."),
    click.option(
        "--heatmap-class", metavar="LABEL", help="Class of the heat map; default: the net's likeliest of each face."
    ),
    click.option("--heatmap-layer", metavar="NAME", help="Layer of the heat map; default: the last one of the net."),
    click.option("--heatmap-activations", is_flag=True, help="Show in the heat map as well what each layer gives."),
)


class HeatSheet(NamedTuple):
    """The maps of one clip."""

    image: "Image"
    """The sheet."""
    views: "Mapping[str, HeatView]"
    """What a page shows of each person, by track; of a video at the main peak."""


def heat_sheet(
    maps: "Heatmaps",
    clip: Clip,
    observation: Observation,
    photo: "Picture | None",
    frames: "Mapping[float, Picture]",
) -> HeatSheet | None:
    """Looks at a clip and draws its sheet.

    Args:
        maps: The net.
        clip: A photo or a video.
        observation: What was measured in it.
        photo: The photo; of a video without a face one of its frames.
        frames: Of a video, by the times of the peaks.

    Returns:
        None where there is no picture at all.
    """
    from emollm.report.contact import at_moment
    from emollm.report.heatmap import Legend, Mapped, draw_heatmaps
    from emollm.report.heatmap_faces import Unmapped
    from emollm.report.heatmap_view import view

    moments: list[Mapped]
    if frames:
        times = sorted(frames)
        moments = [Mapped(frames[time], maps(at_moment(observation, time), frames[time]), time) for time in times]
    elif photo is not None:
        seen = observation if clip.video is None else observation.model_copy(update={"tracks": ()})
        moments = [Mapped(photo, maps(seen, photo))]
    else:
        return None
    shown = {item.track for moment in moments for item in moment.people}
    unseen = [
        Unmapped(track.id, "there is no frame in which the face was measured")
        for track in observation.tracks
        if track.id not in shown
    ]
    main = {track.id: track.peaks[0].time for track in observation.tracks if track.peaks}
    views = {
        item.track: view(item, maps.name)
        for moment in moments
        for item in moment.people
        if main.get(item.track) == moment.time
    }
    image = draw_heatmaps(moments, Legend(maps.name, maps.layer), unseen)
    return HeatSheet(image, {**views, **{item.track: view(item, maps.name) for item in unseen}})
