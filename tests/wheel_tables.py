"""Invented tables in the layout of the published emotion wheels: five times the same wheel of four inner clusters."""

from pathlib import Path

from emollm.metrics.wheels import WHEELS

_FORMS = {
    "angry": "angry,anger,angrily",
    "annoyed": "annoyed",
    "happy": "happy,happiness",
    "glad": "glad,gladly",
    "sad": "sad,sadness",
    "worried": "worried,worry",
    "neutral": "neutral",
}
_WHEEL = "level1,level2,level3\nanger,angry,\n,annoyed,\njoy,happy,glad\nsorrow,sad,\nfear,worried,\n"


def write(folder: Path) -> Path:
    """The tables as csv."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f'{word},"{own}"\n' for word, own in _FORMS.items())
    (folder / "format.csv").write_text(f"name,format\n{rows}")
    words = "".join(f"{word},{word}\n" for word in _FORMS if word != "neutral")
    (folder / "synonym.csv").write_text(f"word_run1,synonym_run1\n{words}")
    for name in WHEELS:
        (folder / f"{name}.csv").write_text(_WHEEL)
    return folder
