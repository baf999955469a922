"""Where pretrained parts come from: an asset, a folder, or the hub."""

from pathlib import Path

from emollm.converted import converted
from emollm.generate import DEFAULT, _from_hub, _refuse_no_model


def folder_of(name: str) -> Path:
    """Folder in transformers format of an asset, a folder or a hub id.

    Raises:
        ModelError: There is no model, or the hub does not know it.
    """
    if name == DEFAULT:
        return converted(name)
    folder = Path(name).expanduser()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        _refuse_no_model(folder)
        return folder
    return _from_hub(name)
