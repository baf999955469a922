"""What ``emollm explain`` writes beside the answers: a page and a drawing for each clip, and the overview of a folder."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emollm.cli import say
from emollm.cli.clips import refuse_clips, several, takes_in
from emollm.clip_files import is_sound, is_table, open_clip
from emollm.errors import ConfigError, DataError, MediaError
from emollm.types import Answer, Clip, MediaInfo, Observation

if TYPE_CHECKING:
    from emollm.cli.heatmaps import HeatRequest, HeatSheet
    from emollm.media.images import Picture
    from emollm.report.page import IndexRow
    from emollm.report.settings import ReportSettings

_PAGES = (".html", ".htm")
_PICTURES = (".png", ".jpg", ".jpeg")
_LONGEST = 200
"""Bytes of a clip's name that the name of its page keeps: a file system allows 255, and the page adds to them."""


class Drawings:
    """The page, the drawing and the heat map of each clip, and the overview of a folder of pages.

    The drawing of a photo is the photo with what was found drawn on it, that of a video a sheet of the moments that count;
    sound and tables have none.

    Args:
        paths: The clips.
        report: File or folder of the pages, if any were asked for.
        overlay: File or folder of the drawings, if any were asked for.
        arguments: What the clips were asked for by.
        settings: How large a clip may be to be embedded in its page.
        heat: File or folder of the heat maps, and the net, if any were asked for.

    Raises:
        ConfigError: One file for several clips, a name of another kind, a file that would replace a clip or be read as one
            by the next run, or only clips without a picture where a drawing is asked for.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        report: Path | None,
        overlay: Path | None,
        arguments: Sequence[str] = (),
        settings: "ReportSettings | None" = None,
        heat: "HeatRequest | None" = None,
    ) -> None:
        self._pages = _targets("--report", report, paths, _PAGES)
        self._overlays = _targets("--overlay", overlay, paths, _PICTURES)
        self._heatmaps = _targets("--heatmap", heat.target if heat else None, paths, _PICTURES)
        self._maps = heat.maps if heat else None
        self._folder = report if report is not None and report not in self._pages.values() else None
        self._rows: dict[Path, IndexRow] = {}
        self._settings = settings
        asked = (("--overlay", overlay, self._overlays), ("--heatmap", heat.target if heat else None, self._heatmaps))
        for option, target, files in asked:
            _leave_out_blind(f"{option} {target}", files)
        files_of_all = (*self._pages.values(), *self._overlays.values(), *self._heatmaps.values())
        refuse_clips(files_of_all, paths)
        _refuse_same(files_of_all)
        for option, target, files in asked:
            for argument in filter(several, arguments):
                if any(takes_in(argument, file) for file in files.values()):
                    raise ConfigError(
                        f"{option} {target}: lies in {argument}, so that the next run would take the drawings for photos; "
                        "give another folder"
                    )

    def of(self, path: Path) -> tuple[Path, ...]:
        """The files that are written for the clip of that path."""
        kinds = (self._pages, self._overlays, self._heatmaps)
        return tuple(files[path] for files in kinds if path in files)

    @property
    def key(self) -> str:
        """What the drawings depend on beside the answers, for the fingerprint of a run; empty without heat maps."""
        return self._maps.key if self._maps else ""

    def draw(self, path: Path, clip: Clip, observation: Observation, answer: Answer) -> None:
        """Writes page, drawing and heat map, as far as they were asked for; each picture is decoded once for all."""
        if not self.of(path):
            return
        shown = _pictures(clip, observation)
        sheet = self._heat(path, clip, observation, answer, shown)
        if path in self._pages:
            from emollm.report.page import index_row, write_report

            write_report(
                self._pages[path],
                observation,
                answer,
                shown.photo,
                frames=shown.frames,
                media=clip.video or clip.audio,
                settings=self._settings,
                heat=sheet.views if sheet is not None else None,
            )
            if self._folder is not None:
                thumbnail = shown.photo or _thumbnail(clip, answer)
                self._rows[path] = index_row(_listed(answer), self._pages[path], thumbnail, _media(clip))
        if path in self._overlays:
            self._draw(path, clip, observation, answer, shown)

    def add_row(self, path: Path, answer: Answer) -> None:
        """Makes the row of a clip that an earlier run has drawn."""
        if self._folder is None or path in self._rows:
            return
        from emollm.report.page import index_row

        picture = media = None
        try:
            clip = open_clip(path)
            picture, media = _photo(clip) or _thumbnail(clip, answer), _media(clip)
        except (MediaError, DataError):  # it could be read when its page was made, and the page is what counts
            pass
        self._rows[path] = index_row(_listed(answer), self._pages[path], picture, media)

    def write_index(self) -> None:
        """Writes the overview of a folder of pages."""
        if self._folder is not None and self._rows:
            from emollm.report.page import write_index

            rows = (self._rows[path] for path in self._pages if path in self._rows)  # drawn in any order
            write_index(self._folder / "index.html", rows)

    def _heat(
        self, path: Path, clip: Clip, observation: Observation, answer: Answer, shown: "_Shown"
    ) -> "HeatSheet | None":
        """Writes the heat map, if one was asked for; a video without a face gets the frame that its overview shows."""
        if self._maps is None or path not in self._heatmaps:
            return None
        from emollm.cli.heatmaps import heat_sheet
        from emollm.report.heatmap import write_heatmap

        photo = shown.photo if shown.photo is not None or shown.frames else _thumbnail(clip, answer)
        sheet = heat_sheet(self._maps, clip, observation, photo, shown.frames)
        if sheet is None:
            say(f"{clip.id}: no picture is in it; it gets no heat map")
            return None
        write_heatmap(self._heatmaps[path], sheet.image)
        return sheet

    def _draw(self, path: Path, clip: Clip, observation: Observation, answer: Answer, shown: "_Shown") -> None:
        if shown.frames:
            from emollm.report.contact import write_contact_sheet

            write_contact_sheet(self._overlays[path], observation, answer, shown.frames)
        elif (picture := shown.photo or _thumbnail(clip, answer)) is not None:  # or a video without a face
            from emollm.report.overlay import write_overlay

            write_overlay(self._overlays[path], observation, answer, picture)
        else:
            say(f"{clip.id}: no picture is in it; it gets no overlay")


def _targets(option: str, target: Path | None, paths: Sequence[Path], suffixes: Sequence[str]) -> dict[Path, Path]:
    """Where the page or picture of each clip goes: one file for one clip, else a folder with one file a clip."""
    if target is None:
        return {}
    if str(target) == "-":
        raise ConfigError(f"{option} -: standard output is not written to; give a file or a folder")
    _refuse_unless_writable(option, target)
    if target.suffix.lower() in suffixes and not target.is_dir():
        if len(paths) > 1:
            raise ConfigError(f"{option} {target}: {len(paths)} clips need a folder, not one file")
        return dict.fromkeys(paths, target)
    if not target.is_dir() and (target.suffix or target.exists()):
        raise ConfigError(f"{option} {target}: expected a name that ends in {' or '.join(suffixes)}, or a folder")
    names = {path: _short(path.name) for path in paths}
    uses = Counter(name.casefold() for name in names.values())
    uses["index"] += 1  # index.html is the overview
    for path, name in names.items():
        if uses[name.casefold()] > 1:  # told apart by where the clips are, whatever the order they are named in
            names[path] = f"{name}-{hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:10]}"
    return {path: target / f"{name}{suffixes[0]}" for path, name in names.items()}


def _leave_out_blind(option: str, files: dict[Path, Path]) -> None:
    """Takes the clips that have no picture from those that are drawn, and says so.

    Raises:
        ConfigError: None has one.
    """
    blind = [path for path in files if is_table(path) or is_sound(path)]
    if not blind:
        return
    nothing = _without_picture(blind)
    if len(blind) == len(files):
        raise ConfigError(f"{option}: {nothing} to draw on; leave {option.split()[0]} out")
    say(f"{option}: {nothing} to draw on, the other clips are drawn")
    for path in blind:
        del files[path]


def _refuse_same(files: Sequence[Path]) -> None:
    """Refuses two drawings in one file.

    Raises:
        ConfigError: Two of the files are the same.
    """
    uses = Counter(os.path.realpath(file) for file in files)
    twice = next((file for file in files if uses[os.path.realpath(file)] > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice}: both --overlay and --heatmap would be written there; give another file or folder")


def _refuse_unless_writable(option: str, target: Path) -> None:
    """Refuses, before any work, what is neither a file nor a folder, and what lies in something that is no folder."""
    if target.exists() and not target.is_dir() and not target.is_file():
        raise ConfigError(f"{option} {target}: cannot be written: it is a device or a pipe; give a file or a folder")
    above = next((folder for folder in target.parents if os.path.lexists(folder)), None)
    if above is not None and not above.is_dir():
        raise ConfigError(f"{option} {target}: cannot be written: {above} is no folder")


def _short(name: str) -> str:
    """As much of a clip's name as the name of its page can hold, in whole characters."""
    whole = os.fsencode(name)
    return name if len(whole) <= _LONGEST else whole[:_LONGEST].decode("utf-8", "ignore")


def _without_picture(paths: Sequence[Path]) -> str:
    """``2 tables of measurements and 1 sound recording have no picture``."""
    tables = sum(map(is_table, paths))
    counts = ((tables, "table of measurements", "tables of measurements"), (len(paths) - tables, "sound recording", ""))
    named = [f"{count} {one if count == 1 else many or one + 's'}" for count, one, many in counts if count]
    return f"{' and '.join(named)} {'has' if len(paths) == 1 else 'have'} no picture"


def _listed(answer: Answer) -> Answer:
    """What the overview shows of an answer: a run of thousands of clips does not hold the rest in memory."""
    rest = {"rationale": None, "claims": (), "missing": (), "labels": (), "follow_ups": (), "text": ""}
    return answer.model_copy(update={**rest, "people": tuple(_listed(person) for person in answer.people)})


# ---- pictures of a clip ---------------------------------------------------------------------------------------------


class _Shown(NamedTuple):
    """The pictures that page and drawing show."""

    photo: "Picture | None"
    frames: "Mapping[float, Picture]"
    """Of a video, by the times of the peaks."""


def _pictures(clip: Clip, observation: Observation) -> _Shown:
    if clip.video is None:
        return _Shown(_photo(clip), {})
    from emollm.report.media import apex_frames

    return _Shown(None, apex_frames(observation, clip.video))


def _photo(clip: Clip) -> "Picture | None":
    from emollm.media.images import read_image

    return read_image(clip.image) if clip.image is not None else None


def _thumbnail(clip: Clip, answer: Answer) -> "Picture | None":
    """The frame of a video that the answer speaks of first; told from the answer alone, so that every run takes the same."""
    if clip.video is None:
        return None
    from emollm.media.images import Picture
    from emollm.media.video import frame_at

    start, end = next(((claim.start, claim.end) for claim in answer.claims if claim.start is not None), (0.0, None))
    try:
        frame = frame_at(clip.video, (start + (end or start)) / 2)
    except MediaError:
        return None
    return Picture(frame.pixels, MediaInfo(kind="video"), frame.scale)


def _media(clip: Clip) -> MediaInfo | None:
    """What a recording's file says of itself."""
    if clip.video is not None:
        from emollm.media.video import open_video

        with open_video(clip.video) as video:
            return video.info
    if clip.audio is not None:
        from emollm.media.audio import open_sound

        return open_sound(clip.audio).info
    return None
