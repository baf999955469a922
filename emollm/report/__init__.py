"""HTML pages and pictures that show an answer beside its evidence."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emollm.report.overlay import write_overlay as write_overlay
    from emollm.report.page import IndexRow as IndexRow
    from emollm.report.page import index_row as index_row
    from emollm.report.page import write_index as write_index
    from emollm.report.page import write_report as write_report

# Imported when first used: the command line names these functions long before it needs Jinja or Pillow.
_HOMES = {
    "IndexRow": "emollm.report.page",
    "index_row": "emollm.report.page",
    "write_index": "emollm.report.page",
    "write_overlay": "emollm.report.overlay",
    "write_report": "emollm.report.page",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
