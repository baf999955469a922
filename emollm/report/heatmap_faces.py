"""Where a face net looked in the pictures of a clip, person by person: what heat maps are drawn from."""

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from emollm.config import Settings
from emollm.errors import ConfigError, MissingDependency, unknown_name
from emollm.types import CueKind, Observation, Track

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emollm.media.images import Picture
    from emollm.perception.geometry import Pixels, Region


class HeatmapSettings(Settings):
    """Which net is looked into, and how."""

    net: str = "face-mt"
    """A face net that is shipped, or a folder that training wrote."""
    label: str | None = None
    """Class to map, in the net's words; the likeliest one of each face if not given."""
    layer: str | None = None
    """Layer of the net's encoder; the last one if not given."""
    activations: bool = False
    """Whether to show as well what each layer gives."""
    smallest: Annotated[float, Field(gt=0)] = 24.0
    """Faces narrower than so many pixels of the picture are not mapped, as they are not measured either."""


class FaceHeat(NamedTuple):
    """Where the net looked in one face."""

    track: str
    label: str
    """The class the map is for."""
    probability: float
    """Calibrated, of that class."""
    top: tuple[str, float]
    """The likeliest class and its calibrated probability."""
    layer: str
    cells: "NDArray[np.float32]"
    """(h, w) in [0, 1]: the map at the layer's own resolution."""
    blank: bool
    """Whether nothing in the layer speaks for the class; the map is then zero everywhere."""
    crop: "Pixels"
    """(S, S, 3) what the net was shown."""
    region: "Region"
    """Which part of the picture that is, in the picture's own pixels."""
    activations: Mapping[str, "NDArray[np.float32]"]
    """(D', H', W') of each layer, shallow first; empty unless asked for."""


class Unmapped(NamedTuple):
    """A person of whom there is no map."""

    track: str
    reason: str


class Heatmaps:
    """Looks into one face net; it may be used from several threads.

    The net is a copy of its own: captum hooks into it, and nobody else may use it meanwhile.

    Args:
        settings: Net, class and layer.

    Raises:
        ConfigError: Unknown class or layer.
        ModelError: There is no such net, or it cannot be read.
        MissingDependency: torch or captum is not installed.
    """

    def __init__(self, settings: HeatmapSettings) -> None:
        try:
            from emollm.encoders import load
            from emollm.encoders.saliency import captum, layer_of
        except ModuleNotFoundError as error:
            raise MissingDependency(
                f"heat maps need the package {error.name!r}; pip install 'emollm[heatmap]'"
            ) from error
        captum()
        self._trained = load(settings.net)
        self._settings = settings
        labels = self._trained.net.config.labels
        if settings.label is not None and settings.label not in labels:
            raise ConfigError(unknown_name(f"class of {self.name}", settings.label, labels))
        self.layer, _ = layer_of(self._trained.net, settings.layer)
        self._one = threading.Lock()

    @property
    def name(self) -> str:
        """``name@version`` of the net."""
        return f"{self._trained.name}@{self._trained.version}"

    @property
    def key(self) -> str:
        """All that the maps depend on, for the fingerprint of a run."""
        return f"{self.name} {self._settings.model_dump_json()}"

    def __call__(self, observation: Observation, picture: "Picture") -> tuple[FaceHeat | Unmapped, ...]:
        """Of each person of an Observation in the order of its tracks: where the net looked, or why there is no map.

        Args:
            observation: Of a photo, or of one moment of a clip (:func:`emollm.report.contact.at_moment`).
            picture: The photo, or the frame at that moment.
        """
        why = {track.id: self._refusal(observation, track, picture) for track in observation.tracks}
        seen = [track for track in observation.tracks if why[track.id] is None]
        found = {heat.track: heat for heat in self._look(seen, picture)} if seen else {}
        return tuple(found.get(track.id) or Unmapped(track.id, why[track.id] or "") for track in observation.tracks)

    def _refusal(self, observation: Observation, track: Track, picture: "Picture") -> str | None:
        across = track.faces[0].box.width * picture.scale
        if across < self._settings.smallest:
            return f"face is only {across:.0f} pixels wide, less than the {self._settings.smallest:g} needed"
        if any(cue.track == track.id for cue in observation.of(track.id, CueKind.ACTION_UNIT)):
            return None
        gaps = (gap.reason for gap in observation.missing if gap.track == track.id and gap.stream in _WHOLE)
        return f"face not measured: {next(gaps, 'no action units')}"

    def _look(self, tracks: list[Track], picture: "Picture") -> Iterator[FaceHeat]:
        import numpy as np

        from emollm.encoders.predict import predict
        from emollm.encoders.saliency import activations, grad_cam
        from emollm.perception.crops import aligned_crop, crop_region

        net, config = self._trained.net, self._trained.config
        margin = config.net.margin
        crops = np.stack([aligned_crop(picture, track.faces[0], net.size, margin) for track in tracks])
        with self._one:
            chances = predict(self._trained, crops).expression  # (n, C)
            top = chances.argmax(1)
            wanted = (
                top if self._settings.label is None else np.full_like(top, self._labels.index(self._settings.label))
            )
            maps = grad_cam(net, crops, wanted.tolist(), layer=self.layer, mirrored=config.mirrored)
            layers = activations(net, crops) if self._settings.activations else {}
        for i, track in enumerate(tracks):
            yield FaceHeat(
                track=track.id,
                label=self._labels[wanted[i]],
                probability=float(chances[i, wanted[i]]),
                top=(self._labels[top[i]], float(chances[i, top[i]])),
                layer=self.layer,
                cells=maps.cells[i],
                blank=not maps.strength[i] > 0,
                crop=crops[i],
                region=crop_region(picture.scale, track.faces[0], margin),
                activations={name: values[i] for name, values in layers.items()},
            )

    @property
    def _labels(self) -> tuple[str, ...]:
        return self._trained.net.config.labels


_WHOLE = ("face", "action_unit")
"""Streams whose absence means that a face was not measured at all."""
