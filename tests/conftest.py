"""Real photos, one perception and one browser for all tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emollm import assets
from emollm.media.images import Picture, read_image
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, Observation

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

HEAD = PerceptionSettings(action_units="mesh-head")
"""The backend that every machine has: results must not depend on whether the bundle could be fetched."""


@pytest.fixture(scope="session")
def astronaut() -> Path:
    """A smiling astronaut, facing the camera (NASA, public domain)."""
    return assets.path("photo-astronaut")


@pytest.fixture(scope="session")
def group() -> Path:
    """A photo of five people."""
    return assets.path("photo-multi-face")


@pytest.fixture(scope="session")
def astronaut_picture(astronaut: Path) -> Picture:
    """The decoded photo."""
    return read_image(astronaut)


@pytest.fixture(scope="session")
def astronaut_observation(astronaut: Path) -> Observation:
    """What our own head measures in it."""
    return observe(Clip(id="astronaut", image=astronaut), HEAD)


@pytest.fixture(scope="session")
def group_observation(group: Path) -> Observation:
    """What our own head measures in the photo of five people."""
    return observe(Clip(id="group", image=group), HEAD)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, headless, driven by playwright."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "no chromium found: apt install chromium, or deselect with -m 'not browser'"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()
