"""Claims about pauses, silence, sound, and who speaks when."""

from collections.abc import Sequence

from emollm.evidence.assertions import Heard, Polarity, Topic
from emollm.evidence.judging import C, Finding, S, U, all_of, reason
from emollm.evidence.judging_numbers import overlapping, quantities
from emollm.evidence.judging_time import Window, ids, narrowed, off_bounds, placed, run_of, timing, widened
from emollm.evidence.lookup import Evidence
from emollm.evidence.times import Moment, When
from emollm.types import Cue, CueKind

PAUSE, SPEECH = "voice.pause", "voice.speech"
SPEAKS, LISTENS = 0.5, 0.2
"""Share of the speech from which a person speaks, and below which somebody else does."""
HEARD = 0.5
"""Speech probability of the series from which speech is heard."""


def judge_pause(item: Heard, evidence: Evidence) -> Finding:
    """Whether the voice pauses, then and as long as said."""
    positive = item.polarity is Polarity.PRESENT
    findings = []
    for moment in item.windows or (None,):
        window, decided = placed(moment, evidence) if moment is not None else (None, None)
        if decided is not None:
            findings.append(decided)
            continue
        pauses = evidence.events(PAUSE)
        if window is not None:
            here = overlapping(pauses, widened(window) if positive else narrowed(window))
            if positive and moment is not None and moment.when is When.SPAN and here and not run_of(here, moment):
                return off_bounds(PAUSE, here, window)
            pauses = here
        findings.append(_pause_found(pauses, positive, item, evidence))
    found = all_of(findings)
    if found.verdict is S and positive:
        return all_of([found, *timing(PAUSE, item, evidence), *quantities(item, evidence)])
    return found


def _pause_found(pauses: Sequence[Cue], positive: bool, item: Heard, evidence: Evidence) -> Finding:
    if pauses:
        longest = max(pauses, key=lambda cue: cue.end - cue.start)
        return Finding(S if positive else C, (longest.id,), reason("pause", start=longest.start, end=longest.end))
    if not evidence.events(SPEECH) and evidence.best("voice.pause_share") is None:
        gap = evidence.gap("voice", "audio")
        return Finding(U, (), gap.reason if gap is not None else reason("no_voice"))
    if positive and not item.relative:  # one can hesitate without a pause
        return Finding(U, (), reason("no_pause"))
    return Finding(C if positive else S, (), reason("no_pause"))


def judge_silence(item: Heard, evidence: Evidence) -> Finding:
    """A pause, or that nothing is said then."""
    paused = judge_pause(item, evidence)
    if paused.verdict is S or item.polarity is not Polarity.PRESENT:
        return paused
    mute = Heard(item.kind, item.start, item.end, polarity=Polarity.ABSENT, topic=Topic.SPEECH, moments=item.moments)
    spoken = judge_speech(mute, evidence)
    return spoken if spoken.verdict is S or paused.verdict is U else paused


def judge_speech(item: Heard, evidence: Evidence) -> Finding:
    """Whether anything is said, and by this person."""
    positive = item.polarity is Polarity.PRESENT
    findings = []
    for moment in item.windows or (None,):
        window, decided = placed(moment, evidence) if moment is not None else (None, None)
        findings.append(decided or _spoken(item, evidence, window, moment))
    found = all_of(findings)
    if found.verdict is S and positive:
        found = all_of([found, *timing(SPEECH, item, evidence)])
    return found


def _spoken(item: Heard, evidence: Evidence, window: Window | None, moment: Moment | None) -> Finding:
    positive = item.polarity is Polarity.PRESENT
    own = evidence.events(SPEECH)
    theirs = [cue for cue in evidence.others if cue.name == "speech"]
    if window is not None:
        frame = widened(window) if positive else narrowed(window)
        if positive and moment is not None and moment.when is When.SPAN and own:
            run = run_of(own, moment)
            if not run and overlapping(own, frame):
                return off_bounds(SPEECH, own, window)
        all_own, own, theirs = own, overlapping(own, frame), overlapping(theirs, frame)
    else:
        all_own = own
    if not own and not theirs:
        return _unspoken(positive, bool(all_own) or bool(evidence.others), evidence, window)
    if not item.person:
        return Finding(S if positive else C, ids([*own, *theirs][:1]), reason("speech"))
    return _by_person(positive, own, evidence)


def _unspoken(positive: bool, elsewhere: bool, evidence: Evidence, window: Window | None) -> Finding:
    """No speech then: that is known where there is speech at other times, or where none was found in the sound."""
    silent = evidence.silence
    series = evidence.values("voice.speech", *(window or ()))
    if silent or elsewhere or (series and max(series) < HEARD):
        return Finding(C if positive else S, (), silent.reason if silent is not None else reason("no_speech"))
    gap = evidence.gap("voice", "audio")
    return Finding(U, (), gap.reason if gap is not None else reason("no_voice"))


def _by_person(positive: bool, own: Sequence[Cue], evidence: Evidence) -> Finding:
    """Whether it is this person who speaks."""
    share = evidence.speaking
    named = [cue for cue in own if cue.track is not None]
    if share is None and not named:
        only_sound = not any(cue.kind in (CueKind.ACTION_UNIT, CueKind.HEAD_POSE) for cue in evidence.cues)
        if own and only_sound:
            return Finding(S if positive else C, ids(own[:1]), reason("speech"))
        return Finding(U, ids(own[:1]), reason("who"))
    if share is not None:
        text = reason("speaking", share=share)
        yes = S if positive else C
        no = C if positive else S
        return Finding(yes if share >= SPEAKS else no if share < LISTENS else U, ids(own[:1]), text)
    return Finding(S if positive else C, ids(named[:1]), reason("speech"))


def judge_sound(item: Heard, evidence: Evidence) -> Finding:
    """Whether there is any sound."""
    positive = item.polarity is Polarity.PRESENT
    gap = evidence.soundless
    windows = [window for one in item.windows if (window := placed(one, evidence)[0]) is not None]
    if gap is None and windows:
        parts = [evidence.unsounded(*window) for window in windows]
        gap = next((part[0] for part in parts if part is not None and part[1]), None)
    if gap is not None:
        return Finding(C if positive else S, (), reason("no_sound", why=gap.reason))
    heard = [cue for cue in (*evidence.cues, *evidence.others) if cue.kind is CueKind.PROSODY]
    if heard or evidence.series("voice.energy") is not None:
        return Finding(S if positive else C, ids(heard[:1]), "")
    return Finding(U, (), reason("no_voice"))
