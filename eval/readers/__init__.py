"""Readers of published layouts, one a layout and not one a benchmark; a task says which, and where in it things are."""

from emollm.eval.readers.base import Layout
from emollm.registry import Registry

READERS: Registry[type[Layout]] = Registry(
    "reader",
    {
        "fer_csv": "emollm.eval.readers.fer_csv:FerCsv",
        "image_folder": "emollm.eval.readers.image_folder:ImageFolder",
        "image_table": "emollm.eval.readers.image_table:ImageTable",
        "openset_csv": "emollm.eval.readers.openset_csv:OpensetCsv",
        "mer_csv": "emollm.eval.readers.mer_csv:MerCsv",
        "meld_csv": "emollm.eval.readers.meld_csv:MeldCsv",
        "fold_list": "emollm.eval.readers.fold_list:FoldList",
        "bah_csv": "emollm.eval.readers.bah_csv:BahCsv",
        "name_code": "emollm.eval.readers.name_code:NameCode",
        "tsv_ids": "emollm.eval.readers.tsv_ids:TsvIds",
    },
)
"""By layout. A reader's settings are ``READERS[layout].model_validate(options)``."""
