"""Whether the claims of a Sample hold; and how a reply is written again without what does not hold."""

from typing import NamedTuple

from emollm.data_engines.recipe import FilterSettings
from emollm.evidence import Faithfulness
from emollm.evidence.lexicon import sentences
from emollm.samples import Mark, Sample, Task
from emollm.types import Message, Observation, TextPart, Verdict


class Faithful:
    """Rejects Samples with contradicted claims, too small a share of supported ones, or too few of them.

    Shares are of decided claims: supported or contradicted (PROTOCOLS: support). Too few applies to reasoning alone, where the reply
    is not that nothing can be told.
    """

    name = "faithfulness"

    def __init__(self, settings: FilterSettings) -> None:
        self._settings = settings

    def check(self, sample: Sample, observation: Observation) -> str | None:
        """``contradicted: …``, ``support: …`` or ``few claims: …``."""
        counts, settings = Faithfulness.of(sample.claims), self._settings
        if counts.contradicted > settings.max_contradicted:
            first = next(claim for claim in sample.claims if claim.verdict is Verdict.CONTRADICTED)
            more = f" (and {counts.contradicted - 1} more)" if counts.contradicted > 1 else ""
            return f"contradicted: {first.reason or first.text}{more}"
        if counts.support is not None and counts.support < settings.min_support:
            return f"support: {counts.support:.2f} of the decided claims, needs {settings.min_support:.2f}"
        needed = sample.task is Task.REASONING and Mark.ABSTAINED not in sample.marks
        if needed and counts.supported < settings.min_claims:
            return f"few claims: {counts.supported} supported, needs {settings.min_claims}"
        return None


class Rewritten(NamedTuple):
    """A Sample without its contradicted sentences."""

    sample: Sample
    """Marked as rewritten; its claims are those that are left."""
    dropped: tuple[str, ...]
    """The sentences that were taken out."""


def rewrite(sample: Sample) -> Rewritten | None:
    """The Sample without the sentences that hold a contradicted claim, for text of language models.

    Verify it again: a pronoun may now mean something else.

    Args:
        sample: Verified.

    Returns:
        None where nothing is contradicted, where a contradicted claim cannot be found in the text, or where a reply or one of its
        headed parts would be left empty.
    """
    wrong = {claim.text for claim in sample.claims if claim.verdict is Verdict.CONTRADICTED}
    messages, dropped = [], []
    for message in sample.messages:
        if message.role == "assistant":
            text = "".join(part.text for part in message.content if part.type == "text")
            kept, gone = _without(text, wrong)
            if gone and (kept is None or not kept.strip()):
                return None
            if gone and kept is not None:
                message = Message(role="assistant", content=(TextPart(text=kept),))
                dropped += gone
        messages.append(message)
    if not dropped or any(not any(text in sentence for sentence in dropped) for text in wrong):
        return None
    changed = sample.model_copy(update={"messages": tuple(messages)})
    left = tuple(claim for claim in sample.claims if claim.text not in wrong and claim.text in changed.reply)
    marks = tuple(dict.fromkeys((*sample.marks, Mark.REWRITTEN)))
    return Rewritten(changed.model_copy(update={"claims": left, "marks": marks}), tuple(dropped))


def _without(text: str, wrong: set[str]) -> tuple[str | None, list[str]]:
    """A text without the sentences that hold one of the pieces, and those sentences; None if a line would be left empty."""
    lines, dropped = [], []
    for line in text.splitlines():
        kept, gone = "", []
        at = 0
        for start, end in sentences(line):
            if any(piece in line[start:end] for piece in wrong):
                gone.append(line[start:end])
            else:
                kept += line[at if kept else start : end]
            at = end
        if gone and not kept.strip():
            return None, gone
        dropped += gone
        lines.append(kept.strip() if gone else line)
    return "\n".join(lines), dropped


def build(settings: FilterSettings) -> Faithful:
    """The filter for ``min_support``, ``max_contradicted`` and ``min_claims``."""
    return Faithful(settings)
