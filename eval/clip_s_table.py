"""The comparison of context classifiers as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def markdown(report: Mapping[str, Any]) -> str:
    """All tables of :func:`emollm.eval.clip_s.evaluate`."""
    return "\n".join(
        [
            f"{report['faces']} faces with a majority label; vision {report['vision']}, text {report['text']}. "
            "Percent, 95 % intervals in brackets, ± is the deviation over seeds.",
            "",
            *_closed(report["closed"]),
            *(_held_out(report["held_out"]) if report["held_out"] else ()),
            *_words(report["words"]),
            *_goemotions(report["goemotions"]),
            *(_compounds(report["compounds"]) if report["compounds"] else ()),
        ]
    )


def _closed(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    scores = ("accuracy (WAR)", "macro recall (UAR)", "macro F1", "(WAR + UAR) / 2", "over the plain head", "ECE")
    yield from _section("The classes that were learnt")
    yield from _header("row", "seeds", *scores, "learnt")
    floors = rows[0]["floors"]
    yield f"| floor | | {_p(floors['war'])} | {_p(floors['uar'])} | {_p(floors['macro_f1'])} | | | | |"
    for row in rows:
        found = row["metrics"]
        cells = [_full(found[key]) for key in ("war", "uar", "macro_f1", "score")]
        over = _full(found["score_over_plain"], sign=True) if "score_over_plain" in found else "–"
        learnt = "–" if row["learnt"] is None else f"{row['learnt']:,}"
        yield f"| {row['row']} | {row['seeds']} | {' | '.join(cells)} | {over} | {_p(found['ece']['value'])} | {learnt} |"
    yield ""


def _held_out(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(row["row"] for row in rows))
    yield from _section(
        "A class that was not learnt, by its text among all classes",
        "Recall, and AUC of its probability (floor 50). The vision tower itself was trained on all classes.",
    )
    yield from _header("class", "faces", *(f"{name}: {score}" for name in names for score in ("recall", "AUC")))
    for label in dict.fromkeys(row["class"] for row in rows):
        own = {row["row"]: row for row in rows if row["class"] == label}
        cells = [
            f"{_ci(own[name]['recall'], own[name]['recall_ci'])} | {_ci(own[name]['auc'], own[name]['auc_ci'])}"
            if name in own
            else "– | –"
            for name in names
        ]
        yield f"| {label} | {next(iter(own.values()))['support']} | {' | '.join(cells)} |"
    means = []
    for name in names:
        own_rows = [row for row in rows if row["row"] == name]
        recalls = [row["recall"] for row in own_rows if row["recall"] is not None]
        means.append(f"{_p(_mean(recalls))} | {_p(_mean([row['auc'] for row in own_rows]))}")
    yield f"| mean | | {' | '.join(means)} |"
    yield ""


def _words(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from _section("Other words for the classes, none of them learnt")
    yield from _header("row", "words", "accuracy", "macro recall")
    yield f"| floor | | {_p(rows[0]['war_floor'])} | {_p(rows[0]['uar_floor'])} |"
    for row in rows:
        yield f"| {row['row']} | {row['list']} | {_ci(row['war'], row['war_ci'])} | {_ci(row['uar'], row['uar_ci'])} |"
    yield ""


def _goemotions(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from _section(
        "The nearest of the 28 GoEmotions words",
        "A word that means none of the classes (curiosity, pride …) counts as wrong.",
    )
    yield from _header("row", "accuracy", "macro recall", "words without a class")
    yield f"| floor | {_p(rows[0]['war_floor'])} | {_p(rows[0]['uar_floor'])} | |"
    for row in rows:
        yield f"| {row['row']} | {_ci(row['war'], row['war_ci'])} | {_ci(row['uar'], row['uar_ci'])} | {_p(row['strays'])} |"
    yield ""
    yield from _header("class", *(row["row"] for row in rows))
    for label in rows[0]["nearest"]:
        cells = [", ".join(f"{word} {_p(share, 0)}" for word, share in row["nearest"][label]) for row in rows]
        yield f"| {label} | {' | '.join(cells)} |"
    yield ""


def _compounds(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from _section(
        "The nearest compound word (Du et al. 2014)",
        f"{rows[0]['faces']} faces whose votes name two emotions, each with at least 30 %.",
    )
    yield from _header("row", "accuracy")
    yield f"| floor (the commonest pair) | {_p(rows[0]['floor'])} |"
    for row in rows:
        yield f"| {row['row']} | {_ci(row['war'], row['war_ci'])} |"
    yield ""


def _section(title: str, *notes: str) -> Iterator[str]:
    for line in (f"### {title}", *notes):
        yield line
        yield ""


def _header(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


def _p(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f}"


def _ci(share: float | None, ci: Sequence[float] | None) -> str:
    return _p(share) if ci is None else f"{_p(share)} [{_p(ci[0])}, {_p(ci[1])}]"


def _full(found: Mapping[str, Any], *, sign: bool = False) -> str:
    spread = "" if found["sd"] is None else f" ± {_p(found['sd'])}"
    plus = "+" if sign and found["value"] >= 0 else ""
    return f"{plus}{_p(found['value'])}{spread} [{_p(found['ci'][0])}, {_p(found['ci'][1])}]"


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
