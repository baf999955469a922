"""Ambivalence moments: face, words and voice of one person held against each other, with the evidence of both sides."""

from emollm.emotions import label_set
from emollm.reasoner import ReasonerSettings
from emollm.report.cohort_discord import Compared, ambivalence, compared
from emollm.types import Cue, Observation, Track
from tests.report.cohorts import clip, said, voice

SMILE = {"AU12": [0.8] * 8, "AU25": [0.6] * 8}


def told(observation: Observation, own_words: bool = False, named: bool = True) -> Compared:
    track: Track | None = next(iter(observation.tracks), None)
    return compared(observation, track, "somebody", label_set("basic8"), ReasonerSettings(), own_words, named)


def smiling(*more: Cue) -> Observation:
    return clip("a.mp4", SMILE, more=more)


def test_a_smile_with_unpleasant_words_is_a_moment_with_the_cues_of_both() -> None:
    own = [*voice("p1", pause_share=0.2), *said("this is terrible", -0.7, 0.6, 2.4)]
    found = told(smiling(*own))
    (row,) = found.discords
    assert row.between == "face and words"
    assert (row.start, row.end) == (0.6, 2.4)
    assert row.face.startswith("happiness, pleasant at 1.0 s (AU12 0.80")
    assert row.words == "negative (−0.70) from 0.6 to 2.4 s"
    assert row.quote == "this is terrible"
    assert {"p1.AU12", "words.1", "words.polarity.1"} <= {*row.cues}
    assert "pause of 0.8 s at 2.5 s" in row.holding_back
    assert "voice.pause.1" in row.cues


def test_agreement_is_compared_and_no_moment() -> None:
    found = told(smiling(*voice("p1", speech_rate=4.0), *said("wonderful", 0.7, 0.6, 2.4)))
    assert found.discords == ()
    assert (found.disagree, found.why_not) == (False, "")


def test_a_voice_that_is_nobodys_is_not_held_against_a_face() -> None:
    loose = smiling(*voice(None, speech_rate=4.0), *said("terrible", -0.7, 0.6, 2.4, None))
    assert told(loose).discords == ()
    assert told(loose).why_not == "whose voice or words these are was not found out"
    assert len(told(loose, own_words=True).discords) == 1


def test_words_that_go_both_ways_are_a_discord_within() -> None:
    mixed = [*said("I love it", 0.6, 0.5, 1.0), *said("but it hurts me", -0.6, 2.0, 3.0, at=2)]
    found = told(smiling(*voice("p1", speech_rate=4.0), *mixed))
    kinds = {row.between for row in found.discords}
    assert "within the words" in kinds
    row = next(row for row in found.discords if row.between == "within the words")
    assert row.quote == "I love it … but it hurts me"
    assert found.within


def test_a_monotonous_voice_beside_a_smile() -> None:
    found = told(smiling(*voice("p1", f0_sd=0.8)))
    (row,) = found.discords
    assert row.between == "face and voice"
    assert row.voice.startswith("little activation")
    assert "voice.f0_sd" in row.cues


def test_a_moment_away_from_the_apex_cites_what_was_there_then() -> None:
    own = [*voice("p1", speech_rate=4.0), *said("terrible", -0.7, 2.4, 3.6)]
    (row,) = told(smiling(*own)).discords
    assert row.face.startswith("happiness, pleasant at 3.0 s (AU12 0.80")
    assert "p1.AU12.1" in row.cues
    assert "p1.AU12" not in row.cues


def test_the_cohort_tells_the_share_and_why_others_were_not_compared() -> None:
    both = [*voice("p1", speech_rate=4.0), *said("terrible", -0.7, 0.6, 2.4)]
    people = [told(smiling(*both)), told(smiling()), told(clip("c.mp4"))]
    found = ambivalence(people, own_words=False)
    assert found.compared == 1
    assert found.discordant is not None
    assert (found.discordant.value, found.discordant.low) == (1, None)
    assert dict(found.incomparable) == {"nothing is heard of them": 1, "no face is seen": 1}


def test_without_names_no_clip_is_named() -> None:
    (row,) = told(smiling(*voice("p1", f0_sd=0.8)), named=False).discords
    assert row.clip is None
