"""The evidence beside the conversation, and the report to take away: the page of ``emollm explain --report``.

In the panel what the conversation says already is left out: the headline, the reasoning and the questions.
"""

from dataclasses import replace

from emollm.report.media import Player
from emollm.report.page import render
from emollm.serve.chat.case import Case
from emollm.serve.chat.templates import text_of
from emollm.types import Answer, AnswerProvenance, CueKind, Observation


def measured(observation: Observation) -> Answer:
    """An answer that says nothing yet, for a page of the measurements alone."""
    return Answer(id=observation.id, status="abstained", provenance=AnswerProvenance(model=""))


def report(case: Case, player: Player | None = None) -> str:
    """The whole page of a clip, questions included.

    Args:
        case: What was measured and said.
        player: How the page plays the clip.
    """
    return render(
        case.observation,
        case.answer,
        case.pictures.photo,
        frames=case.pictures.frames,
        media=player,
        heat=case.heat,
    )


def panel(case: Case, labels: bool = True, player: Player | None = None) -> str:
    """The page as it stands beside the conversation.

    Args:
        case: What was measured and said.
        labels: Whether emotions are named; a teacher is shown none.
        player: How the page plays the clip.
    """
    return report(case if labels else _unlabelled(case), player).replace(
        "</style>", f"{text_of('panel.css')}</style>", 1
    )


def _unlabelled(case: Case) -> Case:
    """What was measured, without an answer and without what a net says of expressions."""
    seen = case.observation
    rest = {
        "cues": tuple(cue for cue in seen.cues if cue.kind is not CueKind.EXPRESSION),
        "series": tuple(item for item in seen.series if item.kind is not CueKind.EXPRESSION),
    }
    seen = seen.model_copy(update=rest)
    return replace(case, observation=seen, answer=measured(seen), heat=None)
