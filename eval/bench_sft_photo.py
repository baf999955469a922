"""What one photo a Sample costs a training step, and where a step's time goes.

The same model takes the same number of tokens twice: once the photo's placeholders are filled by its encoder and connector, once they are
words. Everything else is equal: LoRA on the language model, connectors that learn, frozen towers, AdamW. The two take turns.
"""

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from emollm import assets
from emollm.eval.bench_machine import machine
from emollm.eval.bench_sft_data import made
from emollm.eval.bench_table import Spread, spread
from emollm.files import replacing
from emollm.generate import DEFAULT
from emollm.modeling.assemble import Built, ModelSettings, StreamSource, assemble
from emollm.modeling.conversation import batch_of, encode_sample
from emollm.samples import MediaItem, Sample
from emollm.types import Box, MediaPart, Message

STREAMS = {
    "face": {"face": StreamSource(tower="face-mt")},
    "face and scene": {
        "face": StreamSource(tower="face-mt"),
        "scene": StreamSource(tower="open_clip:ViT-B-32"),  # weights change no time
    },
}
"""What is measured: the streams of a model."""
PHOTO, FACE = "photo-astronaut", Box(x=170, y=65, width=110, height=110)
SAMPLES = 2
"""Samples a step."""
TARGETS = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
_ROWS = 25


class Cost(NamedTuple):
    """One model."""

    tokens: int
    """Of a step."""
    placeholders: int
    """Of a step, filled by the photos or by words."""
    words: Spread
    """Seconds of a step without photos."""
    photos: Spread
    """With them."""
    more: Spread
    """Part of a step that the photos add, pair by pair of steps, by the clock."""
    more_cpu: Spread
    """By processor time."""
    reading: float
    """Seconds to decode, cut and tokenise a Sample with its photo, less those without it; a data loader's worker does so beside the step."""


class Costs(NamedTuple):
    """All models, and the operators of one step with photos."""

    rows: dict[str, Cost]
    operators: list[tuple[str, float, int]]
    """Name, part of the step's processor time in itself, calls; the greatest first."""


def measure(steps: int, threads: int, profile: Path | None = None, backbone: str = DEFAULT) -> Costs:
    """Measures all models of :data:`STREAMS`.

    Args:
        steps: Pairs of steps that are counted.
        threads: Of torch.
        profile: File for the whole table of operators.
        backbone: Language model.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = {}
        operators: list[tuple[str, float, int]] = []
        for name, streams in STREAMS.items():
            trial = Trial(assemble(ModelSettings(backbone=backbone, streams=streams)))
            rows[name] = trial.cost(steps)
            operators = operators or trial.operators(profile)  # of the first: the one of every day
        return Costs(rows, operators)
    finally:
        torch.set_num_threads(before)


class Trial:
    """A model with its two batches.

    Args:
        built: Model and processor.
    """

    def __init__(self, built: Built) -> None:
        from peft import LoraConfig, get_peft_model

        self.processor = built.processor
        samples = made(SAMPLES)
        self.plain = samples[0]
        self.shown = [_with_photo(sample) for sample in samples]
        encoded = [encode_sample(self.processor, sample, Path()) for sample in self.shown]
        self.photos: dict[str, Any] = batch_of(encoded, self.processor.tokenizer.pad_token_id)
        places = self.photos["input_ids"] == self.processor.image_token_id
        self.tokens, self.placeholders = sum(len(one.ids) for one in encoded), int(places.sum())
        common = int(self.photos["input_ids"][0, 0])
        self.words = {
            name: value.masked_fill(places, common) if name == "input_ids" else value
            for name, value in self.photos.items()
            if name in ("input_ids", "attention_mask", "labels")
        }
        model: Any = built.model
        self.model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS))
        for name, parameter in self.model.named_parameters():
            if ".connector." in name:
                parameter.requires_grad_(True)
        self.model.train()
        self.optimiser = torch.optim.AdamW([each for each in self.model.parameters() if each.requires_grad], lr=1e-4)

    def step(self, batch: dict[str, Tensor]) -> None:
        """One optimiser step."""
        self.model(**batch).loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()

    def cost(self, steps: int) -> Cost:
        """Pairs of steps, the order turning, after a pair that is not counted."""
        taken: dict[str, list[tuple[float, float]]] = {"words": [], "photos": []}
        batches = {"words": self.words, "photos": self.photos}
        for turn in range(steps + 1):
            for name in list(taken)[:: -1 if turn % 2 else 1]:
                timing = _timed(partial(self.step, batches[name]))
                if turn:
                    taken[name].append(timing)
        pairs = list(zip(taken["words"], taken["photos"], strict=True))
        shown, plain = (
            min(_timed(partial(encode_sample, self.processor, one, Path()))[0] for _ in range(3))
            for one in (self.shown[0], self.plain)
        )
        return Cost(
            self.tokens,
            self.placeholders,
            spread([clock for clock, _ in taken["words"]]),
            spread([clock for clock, _ in taken["photos"]]),
            spread([photo[0] / word[0] - 1 for word, photo in pairs]),
            spread([photo[1] / word[1] - 1 for word, photo in pairs]),
            shown - plain,
        )

    def operators(self, file: Path | None) -> list[tuple[str, float, int]]:
        """Where the time of one step with photos goes."""
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CPU]) as seen:
            self.step(self.photos)
        averages = seen.key_averages()
        if file:
            with replacing(file, "w") as out:
                out.write(averages.table(sort_by="self_cpu_time_total", row_limit=_ROWS, max_name_column_width=60))
        whole = sum(each.self_cpu_time_total for each in averages)
        ordered = sorted(averages, key=lambda each: -each.self_cpu_time_total)
        return [(each.key, each.self_cpu_time_total / whole, each.count) for each in ordered[:_ROWS]]


def _with_photo(sample: Sample) -> Sample:
    """The Sample with a photo before its question."""
    question, *others = sample.messages
    asked = Message(role=question.role, content=(MediaPart(type="image"), *question.content))
    photo = MediaItem(type="image", path=assets.path(PHOTO), box=FACE)
    return sample.model_copy(update={"messages": (asked, *others), "media": (photo,)})


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of processors."""
    clock, cpu = perf_counter(), process_time()
    work()
    return perf_counter() - clock, process_time() - cpu


def as_text(costs: Costs, threads: int) -> str:
    """The result as markdown."""
    lines = [
        "| streams | tokens a step, of them the photos' | s a step without photos | with | photos add, by the clock | by processor time | "
        "decoding and cutting a photo |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in costs.rows.items():
        added = [_percent(each) for each in (row.more, row.more_cpu)]
        lines.append(
            f"| {name} | {row.tokens}, {row.placeholders} | {row.words.text(2)} | {row.photos.text(2)} | {added[0]} | {added[1]} | "
            f"{1000 * row.reading:.0f} ms |"
        )
    first = next(iter(costs.rows))
    told = ", ".join(f"`{name}` {share:.0%} ({calls})" for name, share, calls in costs.operators[:8])
    return "\n\n".join(
        [
            f"`python -m emollm.eval.bench_sft --only photo`, {date.today()}: one photo a Sample, {SAMPLES} Samples a step, LoRA on {DEFAULT}, "
            f"connectors learning, towers frozen, float32, {threads} threads. {machine()}.",
            "\n".join(lines),
            f"One step with a photo's {first}, by operator (processor time in itself, calls): {told}.",
        ]
    )


def _percent(value: Spread) -> str:
    """Median, with the lowest and the highest in brackets."""
    return f"{value.middle:.1%} ({value.low:.1%} – {value.high:.1%})"
