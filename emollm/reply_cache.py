"""Replies of language models on disk, by what they were asked: a build or an evaluation that is run again asks nothing twice.

One JSON file a reply in folders of two levels, ``ab/cd/<key>.json``. The key is the SHA-256 over all that can change the
reply: the messages as they are sent, ``id@version`` of the prompts, the model and its parameters. Files are written beside their place
and renamed, so that several processes can share a folder.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emollm.endpoint import Reply
from emollm.errors import DataError
from emollm.files import replacing
from emollm.types import Message, Record


class Stored(Record):
    """One file of the cache."""

    key: str
    model: str
    prompts: tuple[str, ...]
    text: str
    whole: bool
    prompt_tokens: int | None
    reply_tokens: int | None


def key_of(messages: Sequence[Message], prompts: Sequence[str], model: str, parameters: dict[str, Any]) -> str:
    """The hex SHA-256 of a request.

    Args:
        messages: The whole conversation.
        prompts: ``id@version`` of the prompts that worded it.
        model: Name of the model.
        parameters: Length, temperature, seed.
    """
    asked = {
        "messages": [message.model_dump(mode="json") for message in messages],
        "prompts": list(prompts),
        "model": model,
        "parameters": parameters,
    }
    text = json.dumps(asked, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Replies:
    """The cache in one folder.

    Args:
        folder: Made when the first reply is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the reply of that key is, or would be."""
        return self.folder / key[:2] / key[2:4] / f"{key}.json"

    def get(self, key: str) -> Reply | None:
        """The reply of that key; None where there is none, or its file is damaged and has to be asked for again.

        Raises:
            DataError: The file is there but cannot be read.
        """
        path = self.path(key)
        try:
            found = Stored.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}; mend the permissions of the cache") from error
        if found.key != key:
            return None
        return Reply(found.text, found.whole, found.prompt_tokens, found.reply_tokens)

    def put(self, key: str, reply: Reply, model: str, prompts: Sequence[str]) -> Reply:
        """Keeps a reply; gives the one that is kept, which is another process's where that was faster.

        Raises:
            EmollmError: The file cannot be written (read-only, disk full …).
        """
        if (earlier := self.get(key)) is not None:
            return earlier
        stored = Stored(key=key, model=model, prompts=tuple(prompts), **reply._asdict())
        with replacing(self.path(key)) as file:
            file.write(stored.to_json().encode())
        return reply
