"""Formats of other projects: one module a layout, a reader and a writer each.

:data:`FORMATS` is the table. Each reads or writes Samples (conversations) or Items (clips with annotations);
:mod:`emollm.data_engines.formats.convert` goes from any to any.
"""

from typing import Any

from emollm.data_engines.formats.base import Format
from emollm.registry import Registry

_HERE = "emollm.data_engines.formats"

FORMATS: Registry[Format[Any]] = Registry(
    "format",
    {
        "messages": f"{_HERE}.messages:MESSAGES",
        "trl": f"{_HERE}.messages:TRL",
        "items": f"{_HERE}.items:FORMAT",
        "mer-factory": f"{_HERE}.mer_factory:FORMAT",
        "merr": f"{_HERE}.merr:FORMAT",
        "openface2": f"{_HERE}.face_tables:OPENFACE",
        "pyfeat": f"{_HERE}.face_tables:PYFEAT",
        "libreface": f"{_HERE}.face_tables:LIBREFACE",
        "emer": f"{_HERE}.emer:FORMAT",
        "ov": f"{_HERE}.ov:FORMAT",
        "expllm": f"{_HERE}.expllm:FORMAT",
        "r1-omni": f"{_HERE}.humanomni:R1",
        "humanomni": f"{_HERE}.humanomni:FORMAT",
        "parquet": f"{_HERE}.parquet:FORMAT",
        "llamafactory": f"{_HERE}.llamafactory:FORMAT",
        "swift": f"{_HERE}.swift:FORMAT",
    },
)
"""Formats by name, in the order in which a file's beginning is held against them: the strictest first."""
