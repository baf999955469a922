"""Replies beside rationales: free emotion words with reasons, and follow-up questions."""

from collections.abc import Sequence
from functools import lru_cache
from random import Random

from emollm.data_engines.writing.face import Face, listed
from emollm.data_engines.writing.grammar import upper, wordings
from emollm.data_engines.writing.moment import denied
from emollm.data_engines.writing.naming import Sentence, naming, told
from emollm.data_engines.writing.segments import ClaimText, Segments, kind_of, name_of
from emollm.emotions import LabelSet
from emollm.evidence import check_text
from emollm.types import MediaInfo, Observation, Part

_PRESENT = frozenset({"slight", "moderate", "strong", "likely"})
_ABSENT = frozenset({"absent", "unlikely"})
_WORTH = 0.15
"""Score from which a label gives an emotion word."""
_MOST_NAMED = 4


class Replies:
    """Words replies for one label set.

    Args:
        labels: The set.
        segments: Reads and remembers wordings.
    """

    def __init__(self, labels: LabelSet, segments: Segments) -> None:
        self.segments = segments
        self.unclear = wordings("writer/replies", "unclear")[0]
        self._labels = labels
        self._words = {entry.label: (entry.label, *entry.synonyms) for entry in labels.entries}

    def open_words(self, face: Face, random: Random) -> list[Sentence]:
        """Emotion words of the labels that the units speak for, each with its units."""
        weights = face.weights
        if weights.neutral and weights.outcome.startswith("answered"):
            return self._still(face, random)
        ranked = [(weights.label, weights.score), (weights.second, weights.second_score)]
        empty = weights.outcome in ("unclear_empty", "no_face")
        reasons = []
        for label, score in () if empty else ranked:
            there = self._there(face, label)
            if there and score >= _WORTH:
                words = self._words[label]
                reasons.append((words[int(random.random() * len(words))], there))
        if not reasons:
            return [_sentence(self._say("open.none", random))]
        lead = self._say("open.lead", random).replace("<words>", listed([f'"{word}"' for word, _ in reasons]))
        out = [_sentence(lead)]
        for word, there in reasons:
            frame = self._say("open.one", random).replace("<word>", word)
            out.append(self._mentioning(frame, there, face, random))
        return out

    def least(self, face: Face, random: Random) -> list[Sentence]:
        """What can be said where no sentence on free words holds; it asserts nothing."""
        texts = [one for one in wordings("writer/replies", "open.least") if "<word>" in one or not face.weights.neutral]
        said = texts[int(random.random() * len(texts))]
        if not face.weights.outcome.startswith("answered"):
            said = next(one for one in texts if "<word>" not in one)
        return [_sentence(said.replace("<word>", face.weights.label))]

    def _still(self, face: Face, random: Random) -> list[Sentence]:
        """A word for a face at rest, and some units that do not move."""
        words = self._words[face.weights.label]
        lead = self._say("open.still", random).replace("<word>", words[int(random.random() * len(words))])
        absent = [
            (code, kind)
            for code, value in face.values.items()
            if (kind := kind_of(value, code in face.probable)) in _ABSENT and code not in face.unreliable
        ]
        random.shuffle(absent)
        if not absent:
            return [_sentence(lead)]
        frame = self._say("open.absent", random)
        return [_sentence(lead), _sentence(*naming(frame, absent[:2], "phrase", face, self.segments, random))]

    def follow_up(
        self, topic: str, face: Face, label: str | None, gaps: Sequence[str], random: Random
    ) -> tuple[dict[str, str], list[Sentence]]:
        """What a follow-up question of a topic needs, and the reply.

        Args:
            topic: ``cue``, ``other``, ``missing`` or ``knowing``.
            face: What was measured.
            label: The label that was given.
            gaps: Units that were not measured.
            random: Chooses what is asked and how it is answered.
        """
        if topic == "cue":
            return self._cue(face, gaps, random)
        if topic == "other":
            return self._other(face, label, random)
        if topic == "missing":
            return {}, self._missing(face, gaps, random)
        return {}, [_sentence(self._say("knowing", random))]

    def _cue(self, face: Face, gaps: Sequence[str], random: Random) -> tuple[dict[str, str], list[Sentence]]:
        codes = [*face.values, *gaps[:3]]
        code = codes[int(random.random() * len(codes))] if codes else "AU12"
        values = {"cue": name_of(code)}
        if code not in face.values:
            frame, kind = self._say("cue.unmeasured", random), "unmeasured"
        else:
            kind = kind_of(face.values[code], code in face.probable)
            unsure = kind == "unsure" or (kind in _ABSENT and code in face.unreliable)
            if unsure:
                return values, [_sentence(self._say("cue.unsure", random).replace("<name>", name_of(code)))]
            frame = self._say("cue.known", random)
        return values, [self._clause(frame, code, kind, face, random)]

    def _other(self, face: Face, label: str | None, random: Random) -> tuple[dict[str, str], list[Sentence]]:
        weights = face.weights
        others = [name for name in face.fits if name != label] or [
            name for name in self._labels.labels if name != label
        ]
        other = (
            weights.second
            if weights.second in others and random.random() < 0.5
            else others[int(random.random() * len(others))]
        )
        values = {"other": other}
        there = self._there(face, other)
        if other == weights.second and weights.second_score >= _WORTH and there and face.values:
            frame = self._say("other.for", random).replace("<other>", other)
            return values, [self._mentioning(frame, there, face, random)]
        fit = face.fits.get(other)
        lacking = {}
        for code in fit.core if fit is not None else ():
            if code in face.values and code not in face.unreliable:
                kind = denied(face.values[code], code in face.probable)
                if kind:
                    lacking[code] = kind
        if not lacking:
            return values, [_sentence(self._say("other.open", random).replace("<other>", other))]
        code = random.choice(tuple(lacking))
        frame = self._say("other.against", random).replace("<other>", other)
        return values, [self._clause(frame, code, lacking[code], face, random)]

    def _missing(self, face: Face, gaps: Sequence[str], random: Random) -> list[Sentence]:
        if not face.values:
            return [_sentence(self._say("missing.all", random))]
        if not gaps:
            return [_sentence(self._say("missing.none", random))]
        shown = sorted(random.sample(range(len(gaps)), min(len(gaps), _MOST_NAMED)))
        names = [_noun(gaps[index]) for index in shown]
        frame = self._say("missing.one" if len(names) == 1 else "missing.some", random)
        out = [_read(upper(frame.replace("<names>", listed(names))) + ".")]
        if (more := len(gaps) - len(names)) > 0:
            out.append(_sentence(self._say("missing.more", random).replace("<count>", str(more))))
        return out

    def _there(self, face: Face, label: str) -> list[str]:
        """Units of a label's prior that are present, strongest first."""
        fit = face.fits.get(label)
        codes = (*fit.core, *fit.variants) if fit is not None else ()
        there = [
            code
            for code in codes
            if code in face.values and kind_of(face.values[code], code in face.probable) in _PRESENT
        ]
        return sorted(there, key=lambda code: -face.values[code])[:3]

    def _clause(self, frame: str, code: str, kind: str, face: Face, random: Random) -> Sentence:
        form = "marked" if kind != "unmeasured" else "clause"
        segment = self.segments.draw(code, kind, form, random)
        words, claims = told(segment, face, code, frame.startswith("<C>"))
        return _sentence(frame.replace("<C>", words), claims)

    def _mentioning(self, frame: str, codes: Sequence[str], face: Face, random: Random) -> Sentence:
        units = [(code, kind_of(face.values[code], code in face.probable)) for code in codes]
        return _sentence(*naming(frame, units, "mention", face, self.segments, random))

    def _say(self, block: str, random: Random) -> str:
        texts = wordings("writer/replies", block)
        return texts[int(random.random() * len(texts))]


def _sentence(text: str, claims: Sequence[ClaimText] = ()) -> Sentence:
    return Sentence(f"{upper(text)}.", tuple(claims))


def _noun(code: str) -> str:
    """A unit in a list of what was not measured; the name of AU23 is read as AU24 too, so its code stands."""
    return code if code == "AU23" else f"the {name_of(code)}"


@lru_cache(maxsize=4096)
def _read(text: str) -> Sentence:
    """A sentence on units that were not measured, with what the checker reads in it where nothing was."""
    found = check_text(text, Part.OBSERVATIONS, _NOTHING, None)
    return Sentence(text, tuple(ClaimText(claim.text, claim.cues, claim.reason) for claim in found))


_NOTHING = Observation(id="nothing", media=MediaInfo(kind="table"))
