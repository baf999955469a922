"""The engines by name."""

from collections.abc import Callable

from emollm.data_engines.base import Engine
from emollm.data_engines.recipe import BuildSettings
from emollm.registry import Registry

ENGINES: Registry[Callable[[BuildSettings], Engine]] = Registry(
    "data engine",
    {
        "exp_cot": "emollm.data_engines.exp_cot:ENGINE",
        "merr": "emollm.data_engines.merr:ENGINE",
        "textualize": "emollm.data_engines.textualize:ENGINE",
        "ambivalence": "emollm.data_engines.ambivalence:ENGINE",
        "audience": "emollm.data_engines.audience:ENGINE",
        "streams": "emollm.data_engines.streams:ENGINE",
    },
)
"""What makes an engine of a recipe; other packages add theirs through the entry-point group ``emollm.data_engine``."""
