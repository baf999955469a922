"""How the classes of a data set meet those of a face net that may use other words, more classes or another order."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.emotions import LabelSet, label_set
from emollm.errors import ConfigError, DataError, unknown_name
from emollm.metrics.classification import STRAY

_COMMON = "canonical9"
"""Set whose words a net without a label set of its own is read by."""


class Match(NamedTuple):
    """The classes that are scored, and where each stands."""

    labels: tuple[str, ...]
    """Words of the data set, in its order."""
    in_data: tuple[int, ...]
    """Position of each in the data set's classes."""
    in_net: tuple[int, ...]
    """Position of each in the net's classes."""
    others: tuple[int, ...]
    """Positions of the net's other classes: answering one of them is wrong. Empty if answers are restricted to ``labels``."""
    is_restricted: bool
    """Whether only some classes were asked for."""

    def probabilities(self, expression: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, C + others) of what the net says (n, K), the scored classes first; rows sum to 1 also where answers are restricted."""
        kept = np.asarray(expression, np.float64)[:, [*self.in_net, *self.others]]
        return np.asarray(kept / kept.sum(-1, keepdims=True))

    def answers(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """(n,) positions in ``labels`` of the most probable class, STRAY for another one of the net's."""
        top = probabilities.argmax(-1)
        return np.where(top < len(self.labels), top, STRAY)

    def references(self, label: NDArray[np.integer]) -> NDArray[np.int64]:
        """(n,) positions in ``labels`` of the data set's classes (n,); −1 for what is not scored."""
        place = {of: k for k, of in enumerate(self.in_data)}
        return np.array([place.get(of, -1) for of in label.tolist()], np.int64)

    def shares(self, shares: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, C + others) vote shares of the data set (n, D) for the same classes; rows sum to 1, or stay 0."""
        kept = np.asarray(shares, np.float64)[:, list(self.in_data)]
        whole = kept.sum(-1, keepdims=True)
        kept = np.divide(kept, whole, out=np.zeros_like(kept), where=whole > 0)
        return np.concatenate([kept, np.zeros((len(kept), len(self.others)))], -1)


def match(
    net: Sequence[str],
    net_set: str | None,
    data: Sequence[str],
    data_set: str,
    *,
    present: Sequence[str],
    only: Sequence[str] = (),
) -> Match:
    """Which classes are scored.

    The same word, or one that stands for the same canonical emotion, is the same class.

    Args:
        net: The net's classes.
        net_set: Its label set; None for plain words.
        data: The data set's classes.
        data_set: Its label set.
        present: Those of them that some face has.
        only: Words of the classes asked for; all if empty.

    Raises:
        ConfigError: A word that is no class of the data set or that the net lacks, or fewer than two classes.
        DataError: Faces of a class that the net lacks, or two classes that are one for the net.
    """
    words, theirs = label_set(data_set), _known(net, net_set)
    home = {word: _home(word, words, net, theirs) for word in data}
    wanted = _asked(only, data, words, data_set) if only else set(present)
    lost = [word for word in data if word in wanted and home[word] is None]
    if lost and only:
        raise ConfigError(f"--classes {lost[0]}: the net has no such class; it has: {', '.join(net)}")
    if lost:
        rest = ",".join(word for word in data if home[word] is not None)
        raise DataError(
            f"there are faces of {', '.join(lost)}, a class that the net lacks; score the others with --classes {rest}"
        )
    chosen = [word for word in data if home[word] is not None and (word in wanted or not only)]
    owner: dict[int, str] = {}
    for word in chosen:
        if (first := owner.setdefault(home[word] or 0, word)) != word and {first, word} <= wanted:
            raise DataError(
                f"{first} and {word} are both {net[home[word] or 0]} for the net; score one of them with --classes"
            )
    chosen = [word for word in chosen if owner[home[word] or 0] == word]
    if len(chosen) < 2:
        raise ConfigError(f"fewer than two classes to score: {', '.join(chosen) or 'none'}; give at least two")
    in_net = tuple(home[word] or 0 for word in chosen)
    return Match(
        labels=tuple(chosen),
        in_data=tuple(list(data).index(word) for word in chosen),
        in_net=in_net,
        others=() if only else tuple(k for k in range(len(net)) if k not in in_net),
        is_restricted=bool(only),
    )


def _known(net: Sequence[str], net_set: str | None) -> LabelSet:
    """The label set of a net; the common one if it names none, or one that is not here."""
    from emollm.emotions import label_sets

    if net_set in label_sets():
        return label_set(str(net_set))
    return label_set(_COMMON)


def _home(word: str, words: LabelSet, net: Sequence[str], theirs: LabelSet) -> int | None:
    """Position of the net's class that a word of the data set means; None if there is none."""
    if word in net:
        return list(net).index(word)
    meaning = words.canonical(word)
    same = [k for k, name in enumerate(net) if meaning is not None and _meaning(name, theirs) == meaning]
    return same[0] if len(same) == 1 else None


def _meaning(word: str, words: LabelSet) -> str | None:
    label = words.find(word)
    return None if label is None else words.canonical(label)


def _asked(only: Sequence[str], data: Sequence[str], words: LabelSet, data_set: str) -> set[str]:
    asked = set()
    for word in only:
        label = words.find(word)
        if label not in data:
            raise ConfigError(f"--classes: {unknown_name(f'class of {data_set}', word, data)}")
        asked.add(str(label))
    return asked
