"""The settings of a build: ``data_engines/recipes/*.yaml``."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from emollm.config import Settings
from emollm.data_engines.source_settings import SourceSettings
from emollm.emotions import DEFAULT
from emollm.errors import ConfigError, unknown_name
from emollm.perception.settings import PerceptionSettings
from emollm.reasoner import ReasonerSettings
from emollm.types import CueKind


class TaskShares(Settings):
    """How many conversations of each kind an item gives: 1 is one for every item, .25 one for every fourth."""

    recognition: float = Field(default=1.0, ge=0, le=10)
    """The label alone."""
    reasoning: float = Field(default=1.0, ge=0, le=10)
    """Label and rationale in three parts."""
    open_vocabulary: float = Field(default=0.25, ge=0, le=10)
    """Free emotion words with reasons."""
    follow_up: float = Field(default=0.5, ge=0, le=10)
    """Further turns behind a reasoning turn: about one cue, about what is missing, what cannot be known."""
    conflict: float = Field(default=1.0, ge=0, le=10)
    """Whether the channels agree (engine ``ambivalence``)."""
    audience: float = Field(default=1.0, ge=0, le=10)
    """Answers fitted to a reader (engine ``audience``)."""


class AnnotatorSettings(Settings):
    """Who words the Samples."""

    model: str | None = None
    """None: the deterministic writer. Else an OpenAI-compatible endpoint ``http://host:port/v1#model``."""
    role: Literal["describer", "merger", "rewriter"] = "rewriter"
    """What the model does: describe cues in free text, merge descriptions, or say the writer's text in other words."""
    workers: int = Field(default=4, ge=1, le=256)
    """Requests at the same time."""
    retries: int = Field(default=4, ge=0, le=20)
    """How often a failed request is tried again, waiting twice as long each time."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds that a reply may take."""
    max_tokens: int = Field(default=384, ge=16)
    """Length of a reply."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 takes the likeliest words."""
    budget: int | None = Field(default=None, ge=1)
    """Most tokens, of prompts and replies together; what is left then is rejected with that reason, and a later run goes on."""
    cache: str | None = None
    """Folder of replies by content and prompt; ``replies`` in the output folder if not given."""


class FilterSettings(Settings):
    """What is not kept."""

    min_support: float = Field(default=1.0, ge=0, le=1)
    """Least share of supported among the decided claims."""
    max_contradicted: int = Field(default=0, ge=0)
    """Most contradicted claims."""
    min_claims: int = Field(default=1, ge=0)
    """Fewest supported claims of a reasoning Sample."""
    min_words: int = Field(default=1, ge=0)
    """Fewest words of the assistant's turns."""
    max_words: int = Field(default=400, ge=1)
    """Most words of the assistant's turns."""
    unsafe: bool = True
    """Rejects diagnoses, statements about protected attributes, and claims to know what somebody feels or means."""
    duplicates: bool = True
    """Rejects Samples whose text and evidence were seen before."""
    near: float = Field(default=0.9, gt=0, le=1)
    """Share of equal word 3-grams (numbers counted) from which two Samples of one task and label count as duplicates."""
    overlap: bool = True
    """Rejects what shares a speaker or group with an earlier split: valid and test keep theirs, train loses them."""
    max_label_share: float | None = Field(default=None, gt=0, le=1)
    """Most that one label may have of all; surplus Samples are rejected, chosen by their id's hash."""
    max_leak: float | None = Field(default=None, gt=0, le=1)
    """Refuses the build if a single clue predicts the label better than this (balanced accuracy); None only reports it."""


class ShowingSettings(Settings):
    """What of a clip a Sample shows."""

    bare: float = Field(default=0.0, ge=0, le=1)
    """Share of the recognition Samples of clips with media that are shown without cue text: the media have to carry the label."""
    looks: int = Field(default=1, ge=1, le=4)
    """A photo is shown one to so many times, each cut of its face a little apart, as the peak frames of a clip are."""
    spans: float = Field(default=1.0, gt=0, le=1)
    """A bare voice is shown from a random start to a random end, at least this share of it."""
    lists: float = Field(default=0.0, ge=0, le=1)
    """Share of the recognition Samples (of no split, or of ``train``) that choose from another list: in another order, every second one without some of the wrong labels."""
    sets: tuple[str, ...] = ()
    """Label sets whose words such a list may take instead, where they have one for the label; a model learns to read the list."""
    hidden: dict[CueKind, float] = Field(default_factory=dict)
    """Kind of cue -> share of the items that it is taken from before anything is written about them; it is declared missing there."""


class ScaleSettings(Settings):
    """How the work is spread."""

    engine: Literal["local", "ray"] = "local"
    """A pool of processes here, or Ray Data."""
    workers: int = Field(default=1, ge=1, le=1024)
    """Processes."""
    block: int = Field(default=1000, ge=1)
    """Items in one block: the unit of work, of resume, and of a shard file."""
    keep_observations: bool | None = None
    """Write ``observations-*.jsonl`` beside the shards, to verify the Samples again; None: for media, not for rows of tables."""


class BuildSettings(Settings):
    """A recipe of ``emollm data build``."""

    engine: str = "exp_cot"
    """Name of the engine."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The engine's own settings."""
    labels: str = DEFAULT
    """Label set of the answers."""
    rows: bool = False
    """Each row of a table is an item of its own (a face at one moment); else a table is a clip."""
    label_guided: bool = False
    """Show the gold label to the writer or annotator; recorded in every Sample."""
    seed: int = 0
    """Chooses wordings and tasks, together with the item's id."""
    source: SourceSettings = SourceSettings()
    """What is read, and under which terms."""
    tasks: TaskShares = TaskShares()
    """Conversations of an item."""
    annotator: AnnotatorSettings = AnnotatorSettings()
    """Who words them."""
    showing: ShowingSettings = ShowingSettings()
    """What of a clip a Sample shows."""
    filters: FilterSettings = FilterSettings()
    """What is not kept."""
    scale: ScaleSettings = ScaleSettings()
    """How the work is spread."""
    perception: PerceptionSettings = PerceptionSettings()
    """How clips are measured."""
    reasoner: ReasonerSettings = ReasonerSettings()
    """How cues are weighed."""


def find(name: str) -> Path:
    """The file of a recipe: a path, or the name of one that comes with emollm.

    Raises:
        ConfigError: There is neither.
    """
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    folder = Path(str(files("emollm.data_engines").joinpath("recipes")))
    known = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if name not in known:
        raise ConfigError(unknown_name("recipe", name, known))
    return known[name]
