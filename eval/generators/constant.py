"""Generators that look at nothing: what every number of a report has to beat."""

from collections import Counter
from collections.abc import Iterable, Iterator

from emollm.errors import ConfigError, one_line, unknown_name
from emollm.eval.generators.base import Opening, Query, Reply

_FEW = 3
"""Words of references that are named where none is of the set."""


class Constant:
    """The same answer for every item.

    Args:
        name: In reports.
        reply: The answer.
        depends: The answer, where the name does not tell it.
    """

    looks = False

    def __init__(self, name: str, reply: Reply, depends: str = "") -> None:
        self.name, self.depends, self._reply = name, depends, reply

    def replies(self, queries: Iterable[Query]) -> Iterator[tuple[Query, Reply]]:
        """See :class:`emollm.eval.generators.base.Generator`."""
        for query in queries:
            yield query, self._reply


def majority(_: str, opening: Opening) -> Constant:
    """The commonest label of the references of the run, the first of the set among equals; words outside the set do not count.

    Its name does not hold the label, so that runs of one part with and without a limit are of one generator.

    Raises:
        ConfigError: The references have no labels, or none of the set.
    """
    found = Counter(label for labels in opening.references for label in labels)
    if not found:
        raise ConfigError("generator majority: the references have no labels; give constant:TEXT")
    order = opening.labels.labels if opening.labels is not None else tuple(sorted(found))
    counted = [label for label in order if label in found]
    if not counted:
        given = ", ".join(one_line(word, 30) for word, _ in found.most_common(_FEW))
        raise ConfigError(
            f"generator majority: no reference has a label of the set ({given} …); the labels are: {', '.join(order)}"
        )
    label = max(counted, key=lambda one: (found[one], -order.index(one)))
    return Constant("majority", Reply(labels=(label,), text=label), depends=f"always {label}")


def constant(given: str, opening: Opening) -> Constant:
    """Words separated by commas, of the closed set where there is one; a text where a description is asked for.

    Raises:
        ConfigError: A word that is not in the set, or several where one is asked for.
    """
    if opening.asks in ("description", "numbers"):
        return Constant(f"constant:{given}", Reply(text=given))
    words = tuple(word.strip() for word in given.split(",") if word.strip())
    if not words or (len(words) > 1 and opening.asks == "label"):
        raise ConfigError(f"generator constant:{given}: expected one label")
    if opening.labels is None:
        return Constant(f"constant:{','.join(words)}", Reply(labels=words))
    found = tuple(opening.labels.find(word) for word in words)
    for word, label in zip(words, found, strict=True):
        if label is None:
            raise ConfigError(
                f"generator constant: {unknown_name(f'label of {opening.labels.id}', word, opening.labels.labels)}"
            )
    labels = tuple(dict.fromkeys(label for label in found if label is not None))
    return Constant(f"constant:{','.join(labels)}", Reply(labels=labels))
