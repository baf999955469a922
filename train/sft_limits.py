"""Memory and disk that are not enough: which knob to turn, and what is left."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emollm.errors import EmollmError, ModelError, one_line
from emollm.train.sft_recipe import SftRecipe

_SAID = ("out of memory", "can't allocate memory", "Cannot allocate memory", "not enough memory", "bad_alloc")
"""How torch, the system and C++ say it."""


class TooLarge(ModelError):
    """Memory is not enough; the message says what to turn."""


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Turns what libraries raise when memory is spent into one line.

    Args:
        remedy: What is too large and which knobs to turn, behind "not enough memory for".

    Raises:
        TooLarge: Memory is not enough.
    """
    try:
        yield
    except TooLarge:
        raise
    except (MemoryError, RuntimeError, OSError, EmollmError) as error:
        if not (_is_memory(error) or _is_memory(error.__cause__)):
            raise
        raise TooLarge(f"not enough memory for {remedy}") from error


@contextmanager
def enough_disk(out: Path) -> Iterator[None]:
    """Turns what libraries raise when a file cannot be written into one line.

    Args:
        out: Folder of the run.

    Raises:
        EmollmError: A file cannot be written (disk full, read-only …).
    """
    left = "whole checkpoints are as they were, and the same command goes on from the last"
    try:
        yield
    except OSError as error:
        told = (error.strerror or str(error)).lower()
        raise EmollmError(f"{error.filename or out}: cannot be read or written: {one_line(told)}; {left}") from error
    except RuntimeError as error:  # DeepSpeed's files are written by torch
        if "PytorchStreamWriter" not in str(error):
            raise
        raise EmollmError(f"{out}: a checkpoint cannot be written: {one_line(str(error))}; {left}") from error


def for_model(recipe: SftRecipe) -> str:
    """What to do when a model cannot be held."""
    smaller = [] if recipe.train.method == "qlora" else ["train.method=qlora"]
    shared = [] if (recipe.deepspeed or "").startswith("zero3") else ["deepspeed=zero3-offload with several processes"]
    return f"the model; take {' or '.join([*smaller, *shared, 'a smaller one'])}"


def for_step(recipe: SftRecipe, rows: int | None = None, tokens: int | None = None) -> str:
    """What to do when a step of some rows and tokens, if these are known, is too large."""
    optimise = recipe.optimise
    lower = [f"optimise.batch={optimise.batch} (and raise optimise.accumulate)"] if optimise.batch > 1 else []
    lower.append(f"batches.max_tokens={recipe.batches.max_tokens}")
    more = [] if optimise.checkpointing else ["set optimise.checkpointing=true"]
    more += {"full": ["take train.method=lora"], "lora": ["take train.method=qlora"]}.get(recipe.train.method, [])
    size = f"a step of {rows} × {tokens} tokens" if rows else "a step"
    return f"{size}; lower {' or '.join(lower)}, or {' or '.join(more) or 'take a smaller model'}"


def _is_memory(error: BaseException | None) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _SAID)
