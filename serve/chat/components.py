"""Gradio's components that take media, made to hand over the file as it came, and the looks of the page.

Gradio's own would write a second copy of a photo or a file beside the first; here the one that arrives is taken over and nothing is left.
"""

from base64 import b64decode
from mimetypes import guess_extension
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import gradio as gr

from emollm.errors import one_line
from emollm.serve.chat.sessions import Sessions
from emollm.serve.chat.templates import line


class Given(NamedTuple):
    """A file that a visitor gives."""

    path: Path
    name: str
    """What the visitor calls it."""


T = TypeVar("T", bound=gr.components.Component)


def as_given(component: T, sessions: Sessions, name: str = "") -> T:
    """A component that takes media, made to hand over the file as the browser sent it.

    Args:
        component: For a file, a photo, a video or a sound.
        sessions: Whose folder of uploads the file must have arrived in; other paths are refused.
        name: What a recording is called; a file keeps its own name if none is given.
    """

    def preprocess(payload: Any) -> Given | None:
        if payload is None:
            return None
        drawn = not payload.path and (getattr(payload, "url", None) or "").startswith("data:")
        path = _written(payload.url, sessions) if drawn else payload.path
        if not path:
            return None
        called = one_line(f"{name}{Path(path).suffix}" if name else Path(payload.orig_name or path).name, 80)
        if not sessions.holds(path):
            raise gr.Error(line("gone", name=called), print_exception=False)
        return Given(Path(path), called)

    component.preprocess = preprocess  # type: ignore[method-assign]
    return component


def as_sent(camera: gr.Image) -> gr.Image:
    """A camera, made to hand over its frames as the browser sent them: Gradio would decode a picture of any size."""

    def preprocess(payload: Any) -> str | None:
        return payload.url if payload is not None and (payload.url or "").startswith("data:") else None

    camera.preprocess = preprocess  # type: ignore[method-assign]
    return camera


def _written(picture: str, sessions: Sessions) -> str:
    """A picture that came as a data URI as a file; what is in it is checked when it is taken."""
    head, _, coded = picture.partition(",")
    suffix = guess_extension(head.removeprefix("data:").partition(";")[0]) or ".png"
    folder = sessions.upload() / "drawn"
    folder.mkdir()
    path = folder / f"picture{suffix}"
    try:
        path.write_bytes(b64decode(coded))
    except ValueError:
        path.touch()  # refused as no picture
    return str(path)


def theme() -> gr.themes.Base:
    """The colours of the reports, and the fonts of the visitor's own system."""
    pairs = {
        "body_background_fill": "paper",
        "body_text_color": "ink",
        "body_text_color_subdued": "muted",
        "background_fill_primary": "card",
        "background_fill_secondary": "paper",
        "border_color_primary": "line",
        "border_color_accent": "accent",
        "color_accent": "accent",
        "color_accent_soft": "track",
        "block_background_fill": "card",
        "block_border_color": "line",
        "block_label_background_fill": "card",
        "block_label_text_color": "muted",
        "block_title_text_color": "ink",
        "block_info_text_color": "muted",
        "panel_background_fill": "card",
        "input_background_fill": "card",
        "input_background_fill_focus": "card",
        "input_border_color": "line",
        "input_border_color_focus": "accent",
        "input_placeholder_color": "muted",
        "button_primary_background_fill": "accent",
        "button_primary_background_fill_hover": "accent-strong",
        "button_primary_text_color": "on-accent",
        "button_primary_border_color": "accent",
        "button_secondary_background_fill": "card",
        "button_secondary_background_fill_hover": "track",
        "button_secondary_text_color": "ink",
        "button_secondary_border_color": "line",
        "checkbox_background_color": "card",
        "checkbox_background_color_selected": "accent",
        "checkbox_border_color": "muted",
        "checkbox_border_color_selected": "accent",
        "checkbox_border_color_focus": "accent",
        "checkbox_label_background_fill": "card",
        "checkbox_label_background_fill_selected": "track",
        "checkbox_label_background_fill_hover": "track",
        "checkbox_label_border_color": "line",
        "checkbox_label_border_color_selected": "accent",
        "checkbox_label_text_color": "ink",
        "checkbox_label_text_color_selected": "ink",
        "link_text_color": "accent",
        "loader_color": "accent",
        "slider_color": "accent",
    }
    found = gr.themes.Base(
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"],
        font_mono=["ui-monospace", "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", "monospace"],
        radius_size=gr.themes.sizes.radius_lg,
    )
    known = {name for name in dir(found) if not name.startswith("_")}
    colours = {name: f"var(--{colour})" for name, colour in pairs.items()}
    dark = {f"{name}_dark": value for name, value in colours.items() if f"{name}_dark" in known}
    return found.set(**colours, **dark, block_shadow="none", block_border_width="1px", block_label_border_width="0px")
