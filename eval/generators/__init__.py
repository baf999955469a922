"""Generators: whoever answers the items of a benchmark, by the name that a command line gives.

majority                          always the commonest label of the references (a floor; it looks at them)
constant:LABEL[,LABEL…]           always the same
cues                              the deterministic reasoner on what perception measures
emollm-135m, FOLDER               a model of our family, embedded or trained
uncued:NAME                       the same without the text of the measured cues
openai:http://HOST/v1#MODEL       any OpenAI-compatible endpoint
hf:FOLDER or hf:OWNER/NAME        any vision-language model of transformers, without code of its own
"""

from collections.abc import Callable
from pathlib import Path

from emollm.errors import ConfigError, unknown_name
from emollm.eval.generators.base import Generator, Opening
from emollm.registry import Registry

GENERATORS: Registry[Callable[[str, Opening], Generator]] = Registry(
    "generator",
    {
        "majority": "emollm.eval.generators.constant:majority",
        "constant": "emollm.eval.generators.constant:constant",
        "cues": "emollm.eval.generators.cues:CueAnswers",
        "emollm-135m": "emollm.eval.generators.family:family",
        "uncued": "emollm.eval.generators.family:uncued",
        "openai": "emollm.eval.generators.openai:EndpointAnswers",
        "hf": "emollm.eval.generators.vision:vision",
    },
)
"""By what stands before the colon; called with what stands behind it. A folder needs no name."""

_FOLDER = "emollm-135m"
"""What opens a folder of a model of our family."""
_TAKES = ("constant", "uncued", "openai", "hf")
"""Names that want something behind the colon."""
_UNASKED = ("majority", "constant", "cues")
"""Those who answer the same however they are asked."""
_BLIND = ("majority", "constant")
"""Those who look at nothing."""


def reads_question(given: str) -> bool:
    """Whether the wording of the question can change the answers of a generator."""
    return given.partition(":")[0] not in _UNASKED


def looks_at_items(given: str) -> bool:
    """Whether an item can change the answers of a generator."""
    return given.partition(":")[0] not in _BLIND


def open_generator(given: str, opening: Opening) -> Generator:
    """The generator of that name.

    Args:
        given: As in the list above.
        opening: What it has to know of the run.

    Raises:
        ConfigError: Unknown name, or one without what it needs.
        ModelError: There is no such model, or its server cannot be reached.
    """
    name, colon, rest = given.partition(":")
    if name in GENERATORS:
        if bool(rest) != (name in _TAKES):
            form = f"{name}:…" if name in _TAKES else name
            raise ConfigError(f"generator {given!r}: expected {form}; see `emollm eval run --help`")
        return GENERATORS[name](rest, opening)
    if Path(given).expanduser().is_dir():
        return GENERATORS[_FOLDER](given, opening)
    if colon and rest.startswith("//"):
        raise ConfigError(f"generator {given!r}: write openai:{given} for an OpenAI-compatible endpoint")
    raise ConfigError(f"{unknown_name('generator', name, GENERATORS)}; or the folder of a model of our family")
