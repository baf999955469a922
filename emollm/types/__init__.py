"""The records that travel along the path: Clip, Observation, Answer and what they are made of; Samples: emollm.samples.

All are frozen and strict: nothing is coerced, unknown fields and NaN are refused, and JSON reads back to an equal
record. Times are in seconds from the start of the clip, positions in pixels of the upright image (x to the right, y down),
angles in degrees. *Left* and *right* are the observed person's own sides.
"""

from emollm.types.answer import Answer, AnswerProvenance, Claim, FollowUp, Part, RankedLabel, Rationale, Verdict
from emollm.types.clip import Clip, Table
from emollm.types.cue import Cue, CueKind, Embedding, Extent, Missing, Scale, Series, Side, Source, Word
from emollm.types.message import MediaPart, Message, TextPart
from emollm.types.observation import Box, Face, MediaInfo, Observation, Peak, Track
from emollm.types.record import Record, Seconds, Signed, Unit

__all__ = [
    "Answer",
    "AnswerProvenance",
    "Box",
    "Claim",
    "Clip",
    "Cue",
    "CueKind",
    "Embedding",
    "Extent",
    "Face",
    "FollowUp",
    "MediaInfo",
    "MediaPart",
    "Message",
    "Missing",
    "Observation",
    "Part",
    "Peak",
    "RankedLabel",
    "Rationale",
    "Record",
    "Scale",
    "Seconds",
    "Series",
    "Side",
    "Signed",
    "Source",
    "Table",
    "TextPart",
    "Track",
    "Unit",
    "Verdict",
    "Word",
]
