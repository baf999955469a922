"""Label sets: order, codes, canonical words, reading of words, maps and their losses."""

import subprocess
import sys
from pathlib import Path

import pytest

from emollm.emotions import CANONICAL, DEFAULT, LabelSet, label_set, label_sets
from emollm.errors import ConfigError

FER = "angry disgust fear happy sad surprise neutral"
AFFECTNET = "neutral happiness sadness surprise fear disgust anger contempt"
ABAW = "neutral anger disgust fear happiness sadness surprise"
DFEW = "happy sad neutral angry surprise disgust fear"
GOEMOTIONS = (
    "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval disgust "
    "embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief remorse sadness "
    "surprise neutral"
)
# set -> (labels in file order, their codes); typed from the papers and files, not from the YAML
ORDER: dict[str, tuple[str, list[int] | str | None]] = {
    "affectnet7": (AFFECTNET.removesuffix(" contempt"), list(range(7))),
    "affectnet8": (AFFECTNET, list(range(8))),
    "affwild2-expr": (ABAW + " other", list(range(8))),
    "affwild2-expr-2020": (ABAW, list(range(7))),
    "bah": ("absent present", [0, 1]),
    "basic8": ("neutral happiness sadness anger fear surprise disgust contempt", None),
    "c-expr-db": (
        "fearfully_surprised happily_surprised sadly_surprised disgustedly_surprised angrily_surprised sadly_fearful "
        "sadly_angry other",
        list(range(8)),
    ),
    "canonical9": ("neutral happiness sadness anger fear surprise disgust contempt other", None),
    "cremad": ("anger disgust fear happiness neutral sadness", "ANG DIS FEA HAP NEU SAD"),
    "dfew": (DFEW, list(range(1, 8))),
    "dfew-lists": (DFEW, list(range(7))),
    "du-compound": (
        "happily_surprised happily_disgusted sadly_fearful sadly_angry sadly_surprised sadly_disgusted fearfully_angry "
        "fearfully_surprised fearfully_disgusted angrily_surprised angrily_disgusted disgustedly_surprised appalled hatred "
        "awed",
        None,
    ),
    "ekman7": ("neutral happiness sadness anger fear surprise disgust", None),
    "emodb": ("anger boredom disgust fear happiness sadness neutral", "W L E A F T N"),
    "emotiefflib7": ("anger disgust fear happiness neutral sadness surprise", list(range(7))),
    "emotiefflib8": ("anger contempt disgust fear happiness neutral sadness surprise", list(range(8))),
    "expw": (FER, list(range(7))),
    "fer2013": (FER, list(range(7))),
    "ferplus": ("neutral happiness surprise sadness anger disgust fear contempt unknown nf", list(range(10))),
    "gimefive": ("happy surprise sad anger disgust fear", list(range(6))),
    "goemotions": (GOEMOTIONS, list(range(28))),
    "goemotions-ekman": ("anger disgust fear joy neutral sadness surprise", list(range(7))),
    "hume-vidmimic2": ("admiration amusement determination empathic_pain excitement joy", None),
    "libreface": (AFFECTNET, "Neutral Happiness Sadness Surprise Fear Disgust Anger Contempt"),
    "mafw": (
        "anger disgust fear happiness neutral sadness surprise contempt anxiety helplessness disappointment",
        list(range(11)),
    ),
    "mafw-mma-dfer": (
        "happiness sadness neutral anger surprise disgust fear contempt anxiety helplessness disappointment",
        list(range(11)),
    ),
    "meld": ("anger disgust fear joy neutral sadness surprise", None),
    "meld-sentiment": ("negative neutral positive", None),
    "mer2023": ("neutral angry happy sad worried surprise", list(range(6))),
    "merr": ("neutral angry happy sad worried surprise fear contempt doubt", None),
    "pyfeat-v1": ("anger disgust fear happiness sadness surprise neutral", None),
    "pyfeat-v2": ("neutral happy sad surprise fear disgust anger", "Neutral Happy Sad Surprise Fear Disgust Anger"),
    "raer": ("neutrality enjoyment confusion fatigue distraction", list(range(5))),
    "rafdb": ("surprise fear disgust happiness sadness anger neutral", list(range(1, 8))),
    "rafdb-compound": (
        "happily_surprised happily_disgusted sadly_fearful sadly_angry sadly_surprised sadly_disgusted fearfully_angry "
        "fearfully_surprised angrily_surprised angrily_disgusted disgustedly_surprised",
        list(range(1, 12)),
    ),
    "ravdess": ("neutral calm happy sad angry fearful disgust surprised", "01 02 03 04 05 06 07 08"),
    "resemotenet": ("happy surprise sad anger disgust fear neutral", list(range(7))),
}


def spelled(labels: str) -> list[str]:
    return [label.replace("_", " ") for label in labels.split()]


@pytest.mark.parametrize("id", label_sets())
def test_labels_and_codes_stand_in_the_order_of_the_set_itself(id: str) -> None:
    labels, codes = ORDER[id]
    wanted = spelled(labels)
    assert list(label_set(id).labels) == wanted
    given = wanted if codes is None else codes.split() if isinstance(codes, str) else codes
    assert [label_set(id).code(label) for label in wanted] == given
    assert [label_set(id).from_code(code) for code in given] == wanted


@pytest.mark.parametrize("id", label_sets())
def test_every_set_is_documented_and_named_like_its_file(id: str) -> None:
    labels = label_set(id)
    assert labels.id == id
    assert all(len(text) > 3 for text in (labels.title, labels.source, labels.licence, labels.obtain))


def test_all_sets_of_the_table_are_there() -> None:
    assert set(label_sets()) == set(ORDER)


@pytest.mark.parametrize("id", label_sets())
def test_every_label_is_found_by_its_own_name_in_any_case(id: str) -> None:
    labels = label_set(id)
    assert [labels.find(f"  {label.upper()} ") for label in labels.labels] == list(labels.labels)


@pytest.mark.parametrize("id", label_sets())
def test_json_reads_back_to_an_equal_set(id: str) -> None:
    assert LabelSet.from_json(label_set(id).to_json()) == label_set(id)


@pytest.mark.parametrize("id", label_sets())
def test_a_map_to_itself_changes_nothing(id: str) -> None:
    labels = label_set(id)
    assert labels.map_to(labels) == {label: label for label in labels.labels}
    assert labels.losses(labels) == {}


def test_the_default_set_has_contempt_and_ekmans_has_not() -> None:
    assert DEFAULT == "basic8"
    assert set(label_set("basic8").labels) - set(label_set("ekman7").labels) == {"contempt"}
    assert label_set("canonical9").labels == CANONICAL


@pytest.mark.parametrize(
    ("word", "label"), [("angry", "anger"), ("Fearful", "fear"), ("happy", "happiness"), ("surprised", "surprise")]
)
def test_word_forms_are_read(word: str, label: str) -> None:
    assert label_set("basic8").find(word) == label


@pytest.mark.parametrize("word", ["", "angr", "unhappy", "happy and sad", "neutral.", "melancholy", "none", "other"])
def test_an_unlisted_word_is_unread_and_never_a_default(word: str) -> None:
    assert label_set("basic8").find(word) is None


@pytest.mark.parametrize("set_id", ["goemotions", "ravdess", "mafw", "raer", "merr"])
def test_labels_without_a_home_stay_without_one(set_id: str) -> None:
    homeless = {"confusion", "calm", "boredom", "fatigue", "distraction", "helplessness", "disappointment", "doubt"}
    labels = label_set(set_id)
    inside = homeless & set(labels.labels)
    assert inside
    assert all(labels.canonical(label) is None for label in inside)


@pytest.mark.parametrize(
    ("set_id", "label", "canonical"),
    [
        ("mer2023", "worried", "fear"),
        ("meld", "joy", "happiness"),
        ("raer", "enjoyment", "happiness"),
        ("mafw", "anxiety", "fear"),
    ],
)
def test_meanings_that_only_nearly_fit_are_declared_lossy(set_id: str, label: str, canonical: str) -> None:
    labels = label_set(set_id)
    assert labels.canonical(label) == canonical
    assert labels.entry(label).lossy


def test_a_map_leaves_out_what_has_no_place_and_says_so() -> None:
    merr, ekman = label_set("merr"), label_set("ekman7")
    assert merr.map_to(ekman) == {
        "neutral": "neutral",
        "angry": "anger",
        "happy": "happiness",
        "sad": "sadness",
        "worried": "fear",
        "surprise": "surprise",
        "fear": "fear",
        "contempt": None,
        "doubt": None,
    }
    assert set(merr.losses(ekman)) == {"worried", "contempt", "doubt"}
    assert "fear" in merr.losses(ekman)["worried"]


def test_a_map_between_two_orders_goes_by_word_not_by_place() -> None:
    affectnet, rafdb = label_set("affectnet8"), label_set("rafdb")
    assert {affectnet.code(a): b and rafdb.code(b) for a, b in affectnet.map_to(rafdb).items()} == {
        0: 7,
        1: 4,
        2: 5,
        3: 1,
        4: 2,
        5: 3,
        6: 6,
        7: None,
    }


def test_compound_labels_name_their_two_emotions() -> None:
    entry = label_set("c-expr-db").entry("disgustedly surprised")
    assert (entry.components, entry.canonical) == (("disgust", "surprise"), None)
    assert label_set("c-expr-db").canonical("other") == "other"


def test_goemotions_merges_as_its_authors_do() -> None:
    merged = label_set("goemotions-ekman")
    members = [member for entry in merged.entries for member in entry.members]
    assert sorted(members) == sorted(GOEMOTIONS.split())
    assert merged.entry("sadness").members == ("disappointment", "embarrassment", "grief", "remorse", "sadness")
    groups = label_set("goemotions").groups
    assert groups["positive"] == merged.entry("joy").members
    assert groups["ambiguous"] == merged.entry("surprise").members
    assert {name: len(labels) for name, labels in groups.items()} == {"positive": 12, "negative": 11, "ambiguous": 4}


def test_number_and_text_are_different_codes() -> None:
    with pytest.raises(ConfigError, match="fer2013 has no code '0'; it has: 0, 1"):
        label_set("fer2013").from_code("0")
    with pytest.raises(ConfigError, match="has no code True"):
        label_set("fer2013").from_code(True)


def test_an_unknown_set_or_label_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'affectnet8'"):
        label_set("affectnet")
    with pytest.raises(ConfigError, match="did you mean 'anger'"):
        label_set("basic8").code("angel")


USERS_OWN = """
id: mine
version: 1
title: My set
task: single
source: me
licence: mine
obtain: ask me
labels:
  - {label: glad, code: 7, canonical: happiness, lossy: true, synonyms: [pleased]}
  - {label: blue, code: x, canonical: sadness}
"""


def test_a_users_own_file_is_a_label_set(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(USERS_OWN, encoding="utf-8")
    for given in (path, str(path)):
        assert label_set(given).map_to(label_set("basic8")) == {"glad": "happiness", "blue": "sadness"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: mine", "id: My Set", r"id: String should match"),
        ("version: 1", "version: one", r"version: Input should be a valid integer"),
        ("title: My set\n", "", r"title: Field required"),
        ("title: My set", "title: My set\ncolour: red", r"colour: Extra inputs"),
        ("canonical: sadness", "canonical: gloom", r"labels\.1\.canonical: Input should be 'neutral'"),
        ("label: blue", "label: glad", r"label 'glad' stands twice|label glad stands twice"),
        ("code: x", "code: 7", r"code 7 stands twice"),
        ("label: blue", "label: pleased", r"synonym 'pleased' of 'glad' is also 'pleased'"),
        ("canonical: happiness, ", "", r"'glad' is lossy but has no canonical word"),
        ("label: blue", "label: Blue", r"'Blue' is not a lower-case word"),
        ("task: single", "task: compound", r"compound if, and only if"),
        ("code: x", "code: 2024-01-01", r"neither text nor number"),
        ("code: x", "code: 1.5", r"labels\.1\.code\.int"),
        ("labels:", "entries:", r"lists its labels under 'labels'"),
        ("labels:", "groups: {g: [green]}\nlabels:", r"group 'g' names 'green'"),
        ("id: mine", "id: [", r"not valid YAML"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(USERS_OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        label_set(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        label_set(tmp_path / "none.yaml")


def test_the_document_holds_the_table_that_the_files_make() -> None:
    made = subprocess.run([sys.executable, "-m", "emollm.emotions"], capture_output=True, text=True, check=True).stdout
    document = Path(__file__).parents[1].joinpath("docs", "label-sets.md").read_text(encoding="utf-8")
    assert made.strip() in document, "run: python -m emollm.emotions, and put its table into docs/label-sets.md"
