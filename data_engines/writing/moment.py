"""Three parts about a face at one moment: what it shows, what that speaks for, a conclusion.

Every sentence that asserts a movement is made of :mod:`.segments`, which the checker has read before; frames around them assert nothing.
So the claims of a sentence are those of its segments, and a million rows are written without reading a million texts. Which wordings are
taken depends on the random numbers alone.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from emollm.data_engines.writing.face import Face, Fit, listed
from emollm.data_engines.writing.grammar import upper, wordings
from emollm.data_engines.writing.segments import VALUE, ClaimText, Segments, kind_of
from emollm.facs import ABSENT, LIKELY, PRESENT, UNITS, strength
from emollm.reasoner.weighing import expressive

_TOLD = 0.15
"""Intensity below which a movement is not told of, unless nothing stronger is there."""
_PHRASED = 0.65
"""Share of the sentences that list units without verbs."""
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


class Sentence(NamedTuple):
    """A sentence and what it claims."""

    text: str
    claims: tuple[ClaimText, ...] = ()


class Moment(NamedTuple):
    """The three parts."""

    observations: list[Sentence]
    interpretation: list[Sentence]
    conclusion: list[Sentence]


class MomentWriter:
    """Writes moments; one for a process.

    Args:
        segments: Reads and remembers wordings.
    """

    def __init__(self, segments: Segments | None = None) -> None:
        self.segments = segments or Segments()

    def write(self, face: Face, random: Random, gold: str | None = None) -> Moment:
        """The three parts about one face.

        Args:
            face: What was measured and what it leads to.
            random: Chooses what is told and how.
            gold: What annotators say, where the muscles do not show it and the text is to say so.
        """
        if not face.values:
            out = [Sentence(_sentence(_say("sentences", "no_face", random)))]
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
        out = self._grouped([(code, kinds[code]) for code in there], face, random)
        if there or not absent:
            if absent:
                contrast = _say("sentences", "contrast", random) if random.random() < 0.6 else ""
                out += self._grouped([(code, kinds[code]) for code in absent], face, random, contrast)
            return out or [Sentence(_sentence(_say("sentences", "nothing", random)))]
        if max(face.values.values()) < ABSENT:
            out.append(Sentence(_sentence(_say("sentences", "unmoving", random))))
        return out + self._grouped([(code, kinds[code]) for code in absent], face, random)

    def _salient(self, face: Face, kinds: dict[str, str], random: Random) -> list[str]:
        there = [code for code, kind in kinds.items() if kind in _PRESENT]
        strong = [code for code in there if face.values[code] >= _TOLD]
        there = strong or there
        fit, other = face.fits.get(face.weights.label), face.fits.get(face.weights.second)
        concerned = {
            unit for one in (fit, other) if one is not None for unit in (*one.core, *one.variants, *one.against)
        }
        there.sort(key=lambda code: -face.values[code] - (0.3 if code in concerned else 0.0))
        there = there[: 2 + int(random.random() * 4)]
        if random.random() < 0.6:
            there.sort(key=_ORDER.__getitem__)
        return there

    def _absent(self, face: Face, kinds: dict[str, str], moving: bool, random: Random) -> list[str]:
        """Units that are measurably absent: those that would matter for the labels first."""
        count = 2 + int(random.random() * 2) if not moving else int(random.random() * 1.6)
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

    def _grouped(self, units: Sequence[tuple[str, str]], face: Face, random: Random, lead: str = "") -> list[Sentence]:
        """Sentences of one to three clauses."""
        out, start = [], 0
        while start < len(units):
            if random.random() < _PHRASED:
                size = (2, 3, 3, 4)[int(random.random() * 4)]
                out.append(self._phrases(units[start : start + size], face, random, lead))
            else:
                size = (1, 2, 2, 3)[int(random.random() * 4)]
                out.append(self._clauses(units[start : start + size], face, random, lead))
            start, lead = start + size, ""
        return out

    def _clauses(self, units: Sequence[tuple[str, str]], face: Face, random: Random, lead: str) -> Sentence:
        if not lead and random.random() < 0.3:
            lead = _say("sentences", "prefix", random)
        text, claims = f"{lead}, " if lead else "", []
        for index, (code, kind) in enumerate(units):
            form = "marked" if random.random() < 0.9 else "clause"
            segment = self.segments.draw(code, kind, form, random)
            if index:
                last = index == len(units) - 1 and index > 1
                joiner = _say("sentences", "joiner.last" if last else "joiner", random)
                text += f"{joiner} " if joiner[0] in ",;" else f" {joiner} "
            text += valued(segment.text, face, code)
            claims += claims_of(segment.claims if text and (index or lead) else segment.first, face, code)
        return Sentence(_sentence(text), tuple(claims))

    def _phrases(self, units: Sequence[tuple[str, str]], face: Face, random: Random, lead: str) -> Sentence:
        """A sentence that lists units without verbs."""
        frame = f"{lead}: <U>" if lead else _say("sentences", "phrases", random)
        begins = frame.startswith("<U>")
        text, claims = "", []
        for index, (code, kind) in enumerate(units):
            segment = self.segments.draw(code, kind, "phrase", random)
            if index:
                joiner = _say("sentences", "phrase.joiner", random)
                text += f"{joiner} " if joiner[0] in ",;" else f" {joiner} "
            text += valued(segment.text, face, code)
            claims += claims_of(segment.first if begins and not index else segment.claims, face, code)
        return Sentence(_sentence(frame.replace("<U>", text)), tuple(claims))

    # ---- what it means ------------------------------------------------------------------------------------------------

    def interpretation(self, face: Face, random: Random, gold: str | None = None) -> list[Sentence]:
        """What speaks for the label and its neighbour, what is lacking, unknown or pulls the other way."""
        weights = face.weights
        if weights.neutral and weights.outcome.startswith("answered"):
            block = "still.else" if _moves(face) else "still"
            out = [Sentence(_sentence(_say("sentences", block, random).replace("<label>", weights.label)))]
        elif weights.outcome == "unclear_empty" or (weights.neutral and weights.outcome == "unclear_thin"):
            out = [Sentence(_sentence(_say("sentences", "nothing", random)))]
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
            out += self._mentioned("support", (*fit.core, *fit.variants), face, values, random)
            if random.random() < 0.8:
                out += self._mentioned("against", fit.against, face, values, random)
            if random.random() < 0.35:
                out += self._lacking(face, weights.label, fit, random)
            if random.random() < 0.25:
                out += self._unmeasured(face, weights.label, fit, random)
        if other is not None and weights.second_score >= 0.1 and random.random() < 0.5:
            values = {"<second>": weights.second, "<label>": weights.label, "<cite>": other.cite}
            out += self._mentioned("runner", (*other.core, *other.variants), face, values, random)
        return out or [Sentence(_sentence(_say("sentences", "nothing", random)))]

    def _mentioned(
        self, block: str, codes: Sequence[str], face: Face, values: dict[str, str], random: Random
    ) -> list[Sentence]:
        """A sentence on up to three of some units that are there."""
        there = []
        for code in codes:
            if code in face.values:
                kind = kind_of(face.values[code], code in face.probable)
                if kind in _PRESENT:
                    there.append((code, kind))
        if not there:
            return []
        there.sort(key=lambda one: -face.values[one[0]])
        there = there[: 1 + int(random.random() * 3)]
        frame = _say("sentences", f"{block}.{'one' if len(there) == 1 else 'many'}", random)
        for slot, value in values.items():
            frame = frame.replace(slot, value)
        texts, claims = [], []
        begins = frame.startswith("<U>")
        for index, (code, kind) in enumerate(there):
            segment = self.segments.draw(code, kind, "mention", random)
            texts.append(valued(segment.text, face, code))
            claims += claims_of(segment.first if begins and not index else segment.claims, face, code)
        return [Sentence(_sentence(frame.replace("<U>", listed(texts))), tuple(claims))]

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

    def _about(self, code: str, kind: str, block: str, label: str, face: Face, random: Random) -> Sentence:
        frame = _say("sentences", block, random).replace("<label>", label)
        form = "marked" if kind != "unmeasured" and random.random() < 0.6 else "clause"
        segment = self.segments.draw(code, kind, form, random)
        text = frame.replace("<C>", valued(segment.text, face, code))
        claims = segment.first if frame.startswith("<C>") else segment.claims
        return Sentence(_sentence(text), tuple(claims_of(claims, face, code)))

    # ---- conclusion ---------------------------------------------------------------------------------------------------

    def _conclusion(self, face: Face, random: Random, gold: str | None) -> list[Sentence]:
        out = [self._unsupported(face, gold, random) if gold is not None else self._decided(face, random)]
        if random.random() < 0.1:
            out.append(Sentence(_sentence(_say("conclusions", "caveat", random))))
        return out

    def _decided(self, face: Face, random: Random) -> Sentence:
        weights, outcome = face.weights, face.weights.outcome
        block = outcome
        if outcome.startswith("answered") and not weights.neutral:
            block = "answered" if weights.intensity is not None else "answered_plain"
        text = _say("conclusions", block, random)
        if outcome.startswith("answered"):
            behind = "weight.second" if weights.second_score >= 0.01 else "weight.alone"
            text = _joined(text, _say("conclusions", behind, random))
        return Sentence(_sentence(_filled(text, face, random)))

    def _unsupported(self, face: Face, gold: str, random: Random) -> Sentence:
        text = _say("conclusions", "unsupported", random).replace("<gold>", gold)
        answered = face.weights.outcome.startswith("answered") and face.weights.label != gold
        if face.values:
            text += "; " + _say("conclusions", "instead" if answered else "instead.open", random)
        return Sentence(_sentence(_filled(text, face, random)))


# ---- small forms ------------------------------------------------------------------------------------------------------


def _moves(face: Face) -> bool:
    """Whether any expressive unit is clearly there."""
    return any(
        value >= (LIKELY if code in face.probable else PRESENT) and expressive(code)
        for code, value in face.values.items()
    )


def _say(file: str, block: str, random: Random) -> str:
    texts = wordings(f"writer/{file}", block)
    return texts[int(random.random() * len(texts))]


def _sentence(text: str) -> str:
    return f"{upper(text)}."


def _joined(text: str, behind: str) -> str:
    return text + behind if not behind or behind[0] in ",;" else f"{text} {behind}"


def valued(text: str, face: Face, code: str) -> str:
    """A segment's text with the unit's value."""
    return text.replace(VALUE, f"{face.values[code]:.2f}") if VALUE in text else text


def claims_of(claims: Sequence[ClaimText], face: Face, code: str) -> list[ClaimText]:
    """The claims of a segment with the unit's value."""
    value = face.values.get(code)
    if value is None:
        return list(claims)
    shown = f"{value:.2f}"
    return [ClaimText(text.replace(VALUE, shown), cues, reason.replace(VALUE, shown)) for text, cues, reason in claims]


def denied(value: float, probable: bool) -> str:
    """How a unit is spoken of that is not clearly there; nothing where it is."""
    kind = kind_of(value, probable)
    return {"slight": "unclear"}.get(kind, kind) if kind not in ("moderate", "strong", "likely") else ""


def _filled(text: str, face: Face, random: Random) -> str:
    weights = face.weights
    text = text.replace("<label>", weights.label).replace("<second>", weights.second)
    text = text.replace("<score>", f"{weights.score:.2f}").replace("<second_score>", f"{weights.second_score:.2f}")
    text = text.replace("<support>", f"{weights.support:.2f}")
    if weights.intensity is not None and "<" in text:
        band = _say("conclusions", f"strength.{strength(weights.intensity)}", random)
        text = text.replace("<strength>", band).replace("<value>", f"{weights.intensity:.2f}")
    return text
