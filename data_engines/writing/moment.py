"""Three parts about a face at one moment: what it shows, what that speaks for, a conclusion.

Every sentence that asserts a movement is made of :mod:`.segments`, which the checker has read before; frames around them assert nothing.
So the claims of a sentence are those of its segments, and a million rows are written without reading a million texts. Which wordings are
taken depends on the random numbers alone.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from emollm.data_engines.writing.face import Face, Fit, percent
from emollm.data_engines.writing.naming import Sentence, joined, naming, say, sentence, told
from emollm.data_engines.writing.segments import ClaimText, Segments, kind_of
from emollm.facs import ABSENT, LIKELY, PRESENT, UNITS, strength
from emollm.reasoner.weighing import expressive

_TOLD = 0.15
"""Intensity below which a movement is not told of, unless nothing stronger is there."""
_NAMED = 0.6
"""Share of the sentences that name units as nouns."""
_PERCENT = 0.45
"""Share of the texts that give values in percent."""
_RANKED = 0.45
"""Share of the faces told of by strength."""
_TELLING = (
    "AU04",
    "AU12",
    "AU01",
    "AU15",
    "AU06",
    "AU02",
    "AU25",
    "AU17",
    "AU10",
    "AU07",
    "AU20",
    "AU26",
    "AU24",
    "AU05",
)
"""Units whose absence tells most of a still face."""
_ORDER = {code: index for index, code in enumerate(UNITS)}
_PRESENT = frozenset({"slight", "moderate", "strong", "likely"})


Said = tuple[str, list[ClaimText]]
"""Words without a full stop, and what they claim."""


class Moment(NamedTuple):
    """The three parts."""

    observations: list[Sentence]
    interpretation: list[Sentence]
    conclusion: list[Sentence]


class MomentWriter:
    """Writes moments; one for a process.

    Args:
        segments: Reads and remembers wordings.
        own: Whether a label that the muscles do not show is told as the face's own as a whole, not as the annotators'.
        weights: Whether conclusions tell the weights of the labels.
    """

    def __init__(self, segments: Segments | None = None, *, own: bool = False, weights: bool = True) -> None:
        self.segments = segments or Segments()
        self._own, self._weights = own, weights

    def write(self, face: Face, random: Random, gold: str | None = None) -> Moment:
        """The three parts about one face.

        Args:
            face: What was measured and what it leads to.
            random: Chooses what is told and how.
            gold: What annotators say, where the muscles do not show it and the text is to say so.
        """
        if random.random() < _PERCENT:
            face = face._replace(numbers=percent)
        if not face.values:
            out = [sentence(say("sentences", "no_face", random))]
            out += [self._unseen(face, gold, random)] if gold is not None else []
            return Moment(out, [], self._conclusion(face, random, gold))
        return Moment(
            self.observations(face, random),
            self.interpretation(face, random, gold),
            self._conclusion(face, random, gold),
        )

    # ---- what is seen -------------------------------------------------------------------------------------------------

    def observations(self, face: Face, random: Random) -> list[Sentence]:
        """The units worth telling, and some that are absent."""
        kinds = {code: kind_of(value, code in face.probable) for code, value in face.values.items()}
        there = self._salient(face, kinds, random)
        absent = self._absent(face, kinds, bool(there), random)
        out = self._there(there, kinds, face, random) if there else []
        if not there and not absent:
            return [sentence(say("sentences", "nothing", random))]
        if not there and max(face.values.values()) < ABSENT:
            out.append(sentence(say("sentences", "unmoving", random)))
        return out + self._still([(code, kinds[code]) for code in absent], bool(there), face, random)

    def _salient(self, face: Face, kinds: dict[str, str], random: Random) -> list[str]:
        there = [code for code, kind in kinds.items() if kind in _PRESENT]
        strong = [code for code in there if face.values[code] >= _TOLD]
        there = strong or there
        fit, other = face.fits.get(face.weights.label), face.fits.get(face.weights.second)
        concerned = {
            unit for one in (fit, other) if one is not None for unit in (*one.core, *one.variants, *one.against)
        }
        there.sort(key=lambda code: -face.values[code] - (0.3 if code in concerned else 0.0))
        return there[: 2 + int(random.random() * 4)]

    def _absent(self, face: Face, kinds: dict[str, str], moving: bool, random: Random) -> list[str]:
        """Units that are measurably absent: those that would matter for the labels first."""
        most = 3.5 if face.probable else 2.5
        count = 2 + int(random.random() * 2) if not moving else int(random.random() * most)
        if not count:
            return []
        fit = face.fits.get(face.weights.label)
        wanted = [*(fit.core if fit is not None and moving else ()), *_TELLING]
        known = [
            code
            for code in dict.fromkeys(wanted)
            if kinds.get(code) in ("absent", "unlikely") and code not in face.unreliable
        ]
        known = known[: count + 3]
        random.shuffle(known)
        return known[:count]

    def _there(self, there: list[str], kinds: dict[str, str], face: Face, random: Random) -> list[Sentence]:
        """What moves: by strength or from the brows down, then the values of what else moves."""
        ranked = sorted((code for code, kind in kinds.items() if kind in _PRESENT), key=lambda code: -face.values[code])
        rest = [code for code in ranked if code not in there][:3] if random.random() < 0.7 else []
        out: list[Sentence] = []
        units = [(code, kinds[code]) for code in there]
        if random.random() < _RANKED:
            units.sort(key=lambda one: -face.values[one[0]])
            if len(units) > 1 and units[0][0] == ranked[0] and random.random() < 0.7:
                out.append(self._named("strongest", units[:1], "phrase", face, random))
                units = units[1:]
                if units[0][0] == ranked[1] and random.random() < 0.6:
                    size = 1 + (len(units) > 1 and units[1][0] == ranked[2] and random.random() < 0.5)
                    out.append(self._named("following", units[:size], "phrase", face, random))
                    units = units[size:]
        else:
            units.sort(key=lambda one: _ORDER[one[0]])
        out += self._grouped(units, face, random)
        if len(rest) > 1:
            out.append(self._named("rest", [(code, kinds[code]) for code in rest], "bare", face, random))
        return out

    def _still(self, units: Sequence[tuple[str, str]], moving: bool, face: Face, random: Random) -> list[Sentence]:
        """What does not move."""
        if not units:
            return []
        choice = random.random()
        if choice < _NAMED:
            block = "rest.still" if moving else "phrases.still"
            form = "bare" if moving and len(units) > 1 else "phrase"
            return [self._named(block, units, form, face, random)]
        lead = say("sentences", "contrast", random) if moving and random.random() < 0.5 else ""
        return [self._clauses(units, face, random, lead)]

    def _grouped(self, units: Sequence[tuple[str, str]], face: Face, random: Random) -> list[Sentence]:
        """Sentences of one to three clauses or two to four nouns."""
        out, start = [], 0
        while start < len(units):
            if random.random() < _NAMED:
                size = (2, 2, 3, 3)[int(random.random() * 4)]
                out.append(self._named("phrases", units[start : start + size], "phrase", face, random))
            else:
                size = (1, 2, 2, 3)[int(random.random() * 4)]
                lead = say("sentences", "prefix", random) if out and random.random() < 0.25 else ""
                out.append(self._clauses(units[start : start + size], face, random, lead))
            start += size
        return out

    def _clauses(self, units: Sequence[tuple[str, str]], face: Face, random: Random, lead: str) -> Sentence:
        text, claims = f"{lead}, " if lead else "", []
        for index, (code, kind) in enumerate(units):
            segment = self.segments.draw(code, kind, "marked", random)
            words, found = told(segment, face, code, not index and not lead)
            if index:
                last = index == len(units) - 1 and index > 1
                joiner = say("sentences", "joiner.last" if last else "joiner", random)
                text += (
                    f"{joiner} " if text.endswith(")") else "; "
                )  # a verb behind "the lips, and" would be read with them
            text += words
            claims += found
        return sentence(text, claims)

    def _named(self, block: str, units: Sequence[tuple[str, str]], form: str, face: Face, random: Random) -> Sentence:
        return sentence(*naming(say("sentences", block, random), units, form, face, self.segments, random))

    # ---- what it means ------------------------------------------------------------------------------------------------

    def interpretation(self, face: Face, random: Random, gold: str | None = None) -> list[Sentence]:
        """What speaks for the label and its neighbour, what is lacking, unknown or pulls the other way."""
        weights = face.weights
        if weights.neutral and weights.outcome.startswith("answered"):
            block = "still.else" if _moves(face) else "still"
            out = [sentence(say("sentences", block, random).replace("<label>", weights.label))]
        elif weights.outcome == "unclear_empty" or (weights.neutral and weights.outcome == "unclear_thin"):
            out = [sentence(say("sentences", "nothing", random))]
        else:
            out = self._for_label(face, random)
        if gold is not None and gold != weights.label and gold in face.fits:
            out += self._lacking(face, gold, face.fits[gold], random)
        return out

    def _for_label(self, face: Face, random: Random) -> list[Sentence]:
        weights = face.weights
        fit, other = face.fits.get(weights.label), face.fits.get(weights.second)
        out: list[Sentence] = []
        if fit is not None:
            values = {"<label>": weights.label, "<cite>": fit.cite}
            support = self._mentioned("support", (*fit.core, *fit.variants), face, values, random)
            if random.random() < 0.8:
                support = self._mentioned("against", fit.against, face, values, random, support)
            if support is not None:
                out.append(sentence(*support))
            if random.random() < 0.35:
                out += self._lacking(face, weights.label, fit, random)
            if random.random() < 0.25:
                out += self._unmeasured(face, weights.label, fit, random)
        if other is not None and weights.second_score >= 0.1 and random.random() < 0.5:
            values = {"<second>": weights.second, "<label>": weights.label, "<cite>": other.cite}
            runner = self._mentioned("runner", (*other.core, *other.variants), face, values, random)
            out += [sentence(*runner)] if runner is not None else []
        return out or [sentence(say("sentences", "nothing", random))]

    def _mentioned(
        self,
        block: str,
        codes: Sequence[str],
        face: Face,
        values: dict[str, str],
        random: Random,
        before: Said | None = None,
    ) -> Said | None:
        """A sentence on up to three of some units that are there, behind what was said before it; that alone where none is."""
        there = []
        for code in codes:
            if code in face.values:
                kind = kind_of(face.values[code], code in face.probable)
                if kind in _PRESENT:
                    there.append((code, kind))
        if not there:
            return before
        there.sort(key=lambda one: -face.values[one[0]])
        there = there[: 1 + int(random.random() * 3)]
        frame = say("sentences", block, random)
        for slot, value in values.items():
            frame = frame.replace(slot, value)
        text, claims = naming(frame, there, "mention", face, self.segments, random, before is not None)
        if before is None:
            return text, claims
        return f"{before[0]}{say('sentences', f'and.{block}', random)} {text}", [*before[1], *claims]

    def _lacking(self, face: Face, label: str, fit: Fit, random: Random) -> list[Sentence]:
        """A unit of the core that is not clearly there."""
        known = [code for code in fit.core if code in face.values and code not in face.unreliable]
        kinds = {code: denied(face.values[code], code in face.probable) for code in known}
        lacking = [code for code, kind in kinds.items() if kind]
        if not lacking:
            return []
        code = lacking[int(random.random() * len(lacking))]
        return [self._about(code, kinds[code], "lacking", label, face, random)]

    def _unmeasured(self, face: Face, label: str, fit: Fit, random: Random) -> list[Sentence]:
        gone = [code for code in fit.core if code not in face.values]
        if not gone:
            return []
        code = gone[int(random.random() * len(gone))]
        return [self._about(code, "unmeasured", "unmeasured", label, face, random)]

    def _unseen(self, face: Face, gold: str, random: Random) -> Sentence:
        """Units that could not be looked at: those that the label of annotators asks for."""
        fit = face.fits.get(gold)
        codes = list(fit.core) if fit is not None else list(_TELLING[:6])
        random.shuffle(codes)
        text, claims = "", []
        for index, code in enumerate(codes[: 1 + int(random.random() * 3)]):
            words, found = told(self.segments.draw(code, "unmeasured", "clause", random), face, code, not index)
            joiner = say("sentences", "joiner.unseen", random) if index else ""
            text += f"{joiner} {words}" if index else words
            claims += found
        return sentence(text, claims)

    def _about(self, code: str, kind: str, block: str, label: str, face: Face, random: Random) -> Sentence:
        frame = say("sentences", block, random).replace("<label>", label)
        form = "marked" if kind != "unmeasured" and random.random() < 0.8 else "clause"
        words, claims = told(self.segments.draw(code, kind, form, random), face, code, frame.startswith("<C>"))
        return sentence(frame.replace("<C>", words), claims)

    # ---- conclusion ---------------------------------------------------------------------------------------------------

    def _conclusion(self, face: Face, random: Random, gold: str | None) -> list[Sentence]:
        out = [self._unsupported(face, gold, random) if gold is not None else self._decided(face, random)]
        if random.random() < 0.1:
            out.append(sentence(say("conclusions", "caveat", random)))
        return out

    def labelled(self, face: Face, label: str, random: Random) -> Sentence:
        """A conclusion of the label alone, which asserts nothing that could fail to hold.

        Args:
            face: What was measured.
            label: The label.
            random: Chooses the wording.
        """
        block = "answered_neutral" if face.weights.neutral else "labelled"
        return sentence(say("conclusions", block, random).replace("<label>", label))

    def _decided(self, face: Face, random: Random) -> Sentence:
        weights, outcome = face.weights, face.weights.outcome
        block = outcome
        if outcome.startswith("answered") and not weights.neutral:
            block = "answered" if weights.intensity is not None else "answered_plain"
        text = say("conclusions", block, random)
        if outcome.startswith("answered") and self._weights:
            behind = "weight.second" if weights.second_score >= 0.01 else "weight.alone"
            text = joined(text, say("conclusions", behind, random))
        return sentence(_filled(text, face, random))

    def _unsupported(self, face: Face, gold: str, random: Random) -> Sentence:
        block = _own(face, gold) if self._own else "unsupported"
        text = say("conclusions", block, random).replace("<gold>", gold)
        answered = face.weights.outcome.startswith("answered") and face.weights.label != gold
        if face.values and block != "own.leaning":
            instead = "instead" if self._weights else "instead.plain"
            text += "; " + say("conclusions", instead if answered else "instead.open", random)
        return sentence(_filled(text, face, random))


# ---- small forms ------------------------------------------------------------------------------------------------------


def _own(face: Face, gold: str) -> str:
    """The block of a label that the muscles do not settle: unmeasured, leaning that way, or not showing it."""
    if not face.values:
        return "own.unmeasured"
    empty = face.weights.outcome == "unclear_empty" or face.weights.neutral
    return "own.leaning" if face.weights.label == gold and not empty else "own"


def _moves(face: Face) -> bool:
    """Whether any expressive unit is clearly there."""
    return any(
        value >= (LIKELY if code in face.probable else PRESENT) and expressive(code)
        for code, value in face.values.items()
    )


def denied(value: float, probable: bool) -> str:
    """How a unit is spoken of that is not clearly there; nothing where it is."""
    kind = kind_of(value, probable)
    return {"slight": "unclear"}.get(kind, kind) if kind not in ("moderate", "strong", "likely") else ""


def _filled(text: str, face: Face, random: Random) -> str:
    weights = face.weights
    text = text.replace("<label>", weights.label).replace("<second>", weights.second)
    numbers = {"<score>": weights.score, "<second_score>": weights.second_score, "<support>": weights.support}
    if weights.intensity is not None and "<" in text:
        text = text.replace("<strength>", say("conclusions", f"strength.{strength(weights.intensity)}", random))
        numbers["<value>"] = weights.intensity
    for slot, value in numbers.items():
        if slot in text:
            text = text.replace(slot, face.numbers(value))
    return text
