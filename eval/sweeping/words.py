"""Errors in the transcripts of items, as a speech recogniser makes them: words substituted, left out and put in, drawn from the items' own words.

Errors of a mild level are errors of each harsher one too. What is reported is the word error rate of the result, which may be lower
than the level: an inserted word beside a deleted one counts as one substitution. Where a script has no spaces a character is a word.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from emollm.eval.items import Item
from emollm.eval.sweeping.base import Facts, Shown, Tally, Variant, draw, replaced

KIND = "transcript errors"
_SPACELESS = r"[぀-ヿ㐀-䶿一-鿿豈-﫿]"
_TOKEN = re.compile(rf"{_SPACELESS}|(?:(?!{_SPACELESS})\S)+")
_TRIES = 20


def tokens(text: str) -> list[str]:
    """Words with their punctuation; characters of scripts without spaces."""
    return _TOKEN.findall(text)


def joined(words: Sequence[str]) -> str:
    """The text of words, without spaces between characters of scripts that have none."""
    out = ""
    for word in words:
        close = not out or (re.fullmatch(_SPACELESS, word[0]) and re.fullmatch(_SPACELESS, out[-1]))
        out += word if close else f" {word}"
    return out


def bare(word: str) -> str:
    """What is compared of a word: its letters and digits in lower case; the word itself if it has none."""
    return "".join(char for char in word.casefold() if char.isalnum()) or word


def errors(reference: Sequence[str], said: Sequence[str]) -> int:
    """The least number of substitutions, deletions and insertions that lead from one to the other (Levenshtein 1966)."""
    row = list(range(len(said) + 1))
    for i, wanted in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, word in enumerate(said, 1):
            above = row[j]
            row[j] = min(above + 1, row[j - 1] + 1, before + (bare(wanted) != bare(word)))
            before = above
    return row[-1]


def misheard(
    words: Sequence[str], percent: float, corpus: Sequence[str], shares: tuple[float, float], rng: np.random.Generator
) -> list[str]:
    """Words with errors; at least one is left.

    Args:
        words: At least one.
        percent: Errors a hundred words; what is no whole number of errors is rounded by chance.
        corpus: Words that are put in, as often as they occur.
        shares: Of substitutions and deletions; the rest are insertions.
        rng: With the same one a higher level keeps the errors of a lower one.
    """
    n = len(words)
    count = min(int(np.floor(percent / 100 * n + rng.random())), n)
    places, kinds = rng.permutation(n), rng.random(n)
    drawn = rng.integers(len(corpus), size=(n, _TRIES))
    out: list[list[str]] = [[word] for word in words]
    left = n
    for place in places[:count]:
        word, kind = words[place], kinds[place]
        others = [corpus[k] for k in drawn[place]]
        other = next((one for one in others if bare(one) != bare(word)), None)
        if kind < shares[0] and other is not None:
            out[place] = [other]
        elif kind < sum(shares) and left > 1:
            out[place], left = [], left - 1
        else:
            out[place].append(other if other is not None else others[0])
    return [word for own in out for word in own]


def mishearings(shown: Shown) -> Iterator[Variant]:
    """Transcripts at each level of errors; nothing where no item has one."""
    corpus = [word for item in shown.items for word in tokens(item.clip.transcript or "")]
    if not corpus:
        return
    levels = shown.settings.errors
    for level in levels.levels:
        tally = Tally()
        change = partial(_misheard, shown, corpus, level, tally)
        yield Variant(f"{KIND} {level:g} %", KIND, level, levels.unit, change, partial(_told, tally))


def _misheard(shown: Shown, corpus: Sequence[str], level: float, tally: Tally, item: Item) -> Item:
    """The item with errors in its transcript; one without words is as it was."""
    words = tokens(item.clip.transcript or "")
    if not words:
        return item
    shares = (shown.settings.substituted, shown.settings.deleted)
    said = misheard(words, level, corpus, shares, draw(shown.seed, KIND, item.id))
    tally.add({"errors": errors(words, said), "words": len(words)})
    return replaced(item, transcript=joined(said)) if said != words else item


def _told(tally: Tally) -> Facts:
    if not tally.changed:
        return {"items with words": 0}
    rate = tally.sums["errors"] / tally.sums["words"]
    return {"items with words": tally.changed, "measured WER (%)": 100 * rate}
