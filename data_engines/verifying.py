"""Verifies what an engine wrote: every claim of every assistant turn, judged by the measured evidence."""

from collections.abc import Iterator

from emollm.evidence import check, check_text
from emollm.rationale_text import split
from emollm.samples import Sample, Task
from emollm.types import Claim, Observation, Part


def verify(sample: Sample, observation: Observation, track: str | None) -> Sample:
    """The Sample with the claims of all its assistant turns and their verdicts.

    A reply in three headed parts is judged part by part; other replies as a whole, the label alone as a conclusion.

    Args:
        sample: What was written; claims it has already are dropped.
        observation: What was measured.
        track: The person it is about.
    """
    return sample.model_copy(update={"claims": tuple(_claims(sample, observation, track))})


def _claims(sample: Sample, observation: Observation, track: str | None) -> Iterator[Claim]:
    part = Part.CONCLUSION if sample.task is Task.RECOGNITION else Part.OBSERVATIONS
    for message in sample.messages:
        if message.role != "assistant":
            continue
        text = "".join(piece.text for piece in message.content if piece.type == "text")
        rationale = split(text)
        if rationale is not None:
            yield from check(rationale, observation, track)
        else:
            yield from check_text(text, part, observation, track)
