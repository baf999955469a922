"""Filters: what is not kept of what engines wrote, each with its reason.

Filters look at one Sample, in any process; set filters at all Samples of a build. Set filters are to be used one after the other, each
on what the one before it kept: first ``look`` at every Sample, if it ``looks``, then ``check`` of every Sample in the same order. So no
Sample is lost for one that is itself lost, and the share of a label is exactly what was asked for.
"""

from collections.abc import Callable

from emollm.data_engines.base import Filter, SetFilter
from emollm.data_engines.recipe import FilterSettings
from emollm.registry import Registry

FILTERS: Registry[Callable[[FilterSettings], Filter | None]] = Registry(
    "sample filter",
    {
        "faithfulness": "emollm.data_engines.filters.faithfulness:build",
        "length": "emollm.data_engines.filters.length:build",
        "label_words": "emollm.data_engines.filters.label_words:build",
        "unsafe": "emollm.data_engines.filters.unsafe:build",
    },
)
"""Filters of single Samples, in the order in which they are asked; each is made from the settings, or None if they switch it off."""

SET_FILTERS: Registry[Callable[[FilterSettings], SetFilter | None]] = Registry(
    "set filter",
    {
        "overlap": "emollm.data_engines.filters.overlap:build",
        "duplicates": "emollm.data_engines.filters.duplicates:build",
        "balance": "emollm.data_engines.filters.balance:build",
        "leak": "emollm.data_engines.filters.leak:build",
    },
)
"""Filters of whole builds, in order: what may not be there, what is there twice, then the shares and the leaks of what is left."""


def build_filters(settings: FilterSettings) -> list[Filter]:
    """The filters of single Samples that the settings ask for, in order."""
    made = (FILTERS[name](settings) for name in FILTERS)
    return [one for one in made if one is not None]


def build_set_filters(settings: FilterSettings) -> list[SetFilter]:
    """The filters of whole builds that the settings ask for, in the order in which each is to be run over what is left."""
    made = (SET_FILTERS[name](settings) for name in SET_FILTERS)
    return [one for one in made if one is not None]
