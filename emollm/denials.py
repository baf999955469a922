"""What an English text denies, and where it says that something cannot be told; by words and their places alone."""

import re

_LIGHT = (
    "an? the so very really any at all say that he she it they this is are be was sign signs trace traces hint hints evidence indication of or and nor kind "
    "sort one feel feels feeling look looks seem seems appear appears sound sounds show shows showing express expresses display displays to longer even exactly "
    "see quite particularly especially visible clear obvious real such more"
)
"""Words that may stand between a denial and the label that it denies."""
_BROAD = r"\b(?:no|without|lack(?:s|ed|ing)?(?: of)?|absence of|devoid of|free (?:of|from))"
"""Denials of a whole list, even of one that ends with "and"."""
_DENIAL = (
    rf"(?:(?P<broad>{_BROAD})|\b(?:not|neither|nor|never|cannot|hardly|barely|scarcely|rather than|instead of|anything but|"
    rf"anything other than|far from|rul(?:e|es|ed|ing) out)|n['’]t)"
)
_ARTICLE = r"(?: (?:any|an?|the|even|really|of|signs? of))*"
_DENIED = re.compile(rf"{_DENIAL}(?: (?:{'|'.join(_LIGHT.split())}|[\w-]+ or)){{0,7}} $", re.IGNORECASE)
"""What stands before a label that is denied."""
_LISTED = re.compile(
    rf"{_DENIAL}(?: (?:{'|'.join(_LIGHT.split())})){{0,5}}(?P<items>(?: [\w-]+(?: [\w-]+)?,){{0,6}})"
    rf"(?: [\w-]+,? (?P<last>or|nor|and))?{_ARTICLE} $",
    re.IGNORECASE,
)
"""What stands before a label in a list that is denied: "no anger, " or "no anger, sadness or "."""
_GOES_ON = re.compile(rf"(?:,{_ARTICLE} [\w-]+){{0,6}},? (?P<last>or|nor|and)\b", re.IGNORECASE)
"""What follows a label in the middle of a list."""
_REFUTED = re.compile(
    r",? (?:(?:is|are|was|were|seems?|can be|could be)(?: \w+ly)? (?:not(?! only| just| merely)|absent|missing|lacking|unlikely|ruled out|excluded)"
    r"|(?:is|are|was|were)n['’]t)\b",
    re.IGNORECASE,
)
"""What stands behind a label that is denied."""
_SHOWN = re.compile(r"\b(?:see|show|shows|showing|express|expresses|display|displays)\b", re.IGNORECASE)
_MUSCLES = re.compile(r"\b(?:muscles|units|movements)\b[^.;!?]{0,40}$", re.IGNORECASE)
"""Our models say of a label that the muscles alone do not show it, and mean it nevertheless."""
_WINDOW = 200
"""Characters before a label in which a denial may begin."""
_PIECE = re.compile(
    r"(?:[.;!?]|\n)+(?!\d)|,? \b(?:but|however|though|although|yet|nevertheless)\b|, (?=(?:i|she|he|they|it|this|that|the|there|so|just|instead)\b)",
    re.IGNORECASE,
)
"""Where something else may begin than what was declined before."""
_TELL = (
    r"(?:tell|say|determine|identify|infer|assess|detect|classify|answer|provide|analy[sz]e|recogni[sz]e|judge|read|name|choose|decide|interpret|"
    r"discern|make|view|access|assist|comment|label|give|conclude|know|evaluate|process|comply|speculate|help with|be (?:sure|certain)|do (?:this|that)|"
    r"(?:see|hear) (?:the|an|any|this|your)? ?(?:image|picture|photo|video|audio|clip|face|person|sound|recording))\b"
)
_CANNOT = r"(?:cannot|can['’]?t|can not|could not|couldn['’]t|not able to|unable to|won['’]t|will not)"
_DECLINES = re.compile(
    rf"\b(?:i|we)(?:['’](?:m|re))?(?: (?:am|are|\w+ly|just|also|still))* {_CANNOT} (?:\w+ly )?{_TELL}"
    r"|\b(?:is|was|be)(?: not|n['’]t)(?: \w+ly)? possible\b|['’]s not(?: \w+ly)? possible\b"
    rf"|\b(?:impossible|hard|difficult) (?:for me )?to (?:\w+ly )?{_TELL}|\bno way (?:to|of) {_TELL}"
    rf"|\b{_CANNOT} be (?:\w+ly )?(?:determined|told|inferred|identified|recogni[sz]ed|judged|read(?! from)|named|said|assessed|decided|established|known|detected|classified)\b"
    r"|\b(?:i|we)(?: \w+ly)? (?:do not|don['’]t) (?:\w+ly )?know\b|\bno idea\b|\bi(?: am|['’]m) (?:not (?:\w+ )?(?:sure|certain)|unsure|uncertain)\b"
    r"|\b(?:too little|not enough|insufficient) (?:information|evidence|context|data|detail)|\bi (?:must |have to |would )?(?:decline|refuse|abstain)\b"
    r"|\b(?:i|we) (?:do not|don['’]t) have (?:access|enough|the ability)\b"
    rf"|^\W*(?:undecided|unclear|not (?:decided|sure)|no label|no decision|abstain(?:ed|s|ing)?|abstention|{_CANNOT} {_TELL})"
    r"(?!\w)"
    r"|\b(?:would be a guess|too close to call|be told apart|(?:is|stays|remains) undecided|falls? short|lacks support|(?:is|are) too weak)\b",
    re.IGNORECASE,
)
"""A clause that says that something cannot be told."""
_POLITE = re.compile(
    r"\b(?:i['’]m|i am|so|very|really|sorry|apolog\w+|unfortunately|afraid|please|as an? (?:ai|artificial|language|large)[\w ]*)\b",
    re.IGNORECASE,
)
"""What may stand beside declining and says nothing."""


def denied(text: str, start: int, end: int) -> bool:
    """Whether what stands in a place of a text is denied: alone ("no anger", "anything but happy", "joy is absent") or in a list ("no anger, joy or fear").

    Args:
        text: In running English.
        start: Where the word begins.
        end: Where it ends.
    """
    window = max(0, start - _WINDOW)
    match = _DENIED.search(text, window, start)
    if match is None:
        match = _LISTED.search(text, window, start)
        if match is not None and not _whole_list(match, text, end):
            match = None
    if match is None:
        return _REFUTED.match(text, end) is not None
    return not (_SHOWN.search(match.group()) and _MUSCLES.search(text, window, match.start()))


def declines(reply: str) -> bool:
    """Whether a reply does nothing but decline to answer, in words: "I cannot tell."."""
    text = affirmed(reply)
    return text != reply and not re.search(r"\w", _POLITE.sub("", text))


def affirmed(text: str) -> str:
    """The text with blanks for the clauses that say that something cannot be told, so that places stay."""
    out, start = [], 0
    for end in [*(match.start() for match in _PIECE.finditer(text)), len(text)]:
        piece = text[start:end]
        out.append("." + " " * (len(piece) - 1) if _DECLINES.search(piece) else piece)
        start = end
    return "".join(out)


def _whole_list(match: re.Match[str], text: str, end: int) -> bool:
    """Whether a denial before a list goes for the word that ends at a place: the list ends in "or", or in "and" behind "no" or "without"."""
    last, items = match["last"], match["items"]
    if last is None:
        following = _GOES_ON.match(text, end) if items else None
        last = following["last"] if following is not None else None
    if last is None or last.lower() != "and":
        return last is not None
    return match["broad"] is not None and (
        bool(items) or (match["broad"].lower() != "no" and ", and" not in match.group())
    )
