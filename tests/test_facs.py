"""Units, the blendshape recipe with the person's sides, strengths and prior tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emollm import facs
from emollm.errors import ConfigError, DataError
from emollm.facs import BLENDSHAPES, UNITS, Region, Strength, UnitValue

REST = dict.fromkeys(BLENDSHAPES, 0.0)
MEASURED = (
    "01 02 04 05 06 07 09 10 12 14 15 16 17 18 20 22 24 25 26 27 28 29 30 34 43 61 62 63 64".split()  # noqa: SIM905
)


def units(**shapes: float) -> dict[str, UnitValue]:
    return facs.units_from_blendshapes({**REST, **shapes})


def swap_sides(name: str) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


def test_every_unit_is_complete_and_keyed_by_its_code() -> None:
    assert len(UNITS) == 42
    assert [unit.number for unit in UNITS.values()] == sorted(unit.number for unit in UNITS.values())
    for code, unit in UNITS.items():
        assert code == unit.code == facs.code(unit.number)
        assert all((unit.name, unit.slight, unit.strong, unit.muscle))
        assert set(unit.shapes) <= {*BLENDSHAPES, "tongueOut"}
    assert len({phrase for unit in UNITS.values() for phrase in (unit.name, unit.slight, unit.strong)}) == 3 * 42


def test_head_units_have_no_shape() -> None:
    assert all(not unit.shapes for unit in UNITS.values() if unit.region is Region.HEAD)


def test_speech_moves_the_mouth_and_jaw_but_not_the_brows() -> None:
    moved = {unit.number for unit in UNITS.values() if unit.moved_by_speech}
    assert moved == {10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30}


def test_no_wording_of_a_unit_names_an_emotion() -> None:
    words = {"happy", "sad", "angry", "afraid", "fear", "surprise", "disgust", "joy", "contempt", "insecure"}
    for unit in UNITS.values():
        assert not words & set(f"{unit.name} {unit.slight} {unit.strong}".replace(",", "").split())


def test_mediapipe_has_52_shapes_with_neutral_first_and_no_tongue() -> None:
    assert len(BLENDSHAPES) == len(set(BLENDSHAPES)) == 52
    assert BLENDSHAPES[0] == "_neutral"
    assert "tongueOut" not in BLENDSHAPES
    assert list(BLENDSHAPES[1:]) == sorted(BLENDSHAPES[1:])


def test_a_face_at_rest_measures_all_units_as_zero() -> None:
    found = units()
    assert [code[2:] for code in found] == MEASURED
    assert all(value.value == 0 for value in found.values())


def test_a_two_sided_unit_is_the_larger_side_and_keeps_both() -> None:
    assert units(mouthSmileLeft=0.8, mouthSmileRight=0.3)["AU12"] == UnitValue(0.8, 0.8, 0.3)
    assert units(browInnerUp=0.4)["AU01"] == UnitValue(0.4)


@pytest.mark.parametrize(
    ("shapes", "parted"),
    [
        ({"jawOpen": 0.5, "mouthClose": 0.2}, 0.3),
        ({"jawOpen": 0.1, "mouthClose": 0.4}, 0.0),
        ({"mouthLowerDownLeft": 0.6, "mouthLowerDownRight": 0.2}, 0.4),
        ({"mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5, "jawOpen": 0.2}, 0.5),
    ],
)
def test_lips_part_follows_jaw_and_lips(shapes: dict[str, float], parted: float) -> None:
    assert units(**shapes)["AU25"].value == pytest.approx(parted)


@pytest.mark.parametrize(("jaw", "stretch"), [(0.69, 0.0), (0.7, 0.7), (0.9, 0.9)])
def test_the_mouth_is_stretched_from_seven_tenths(jaw: float, stretch: float) -> None:
    found = units(jawOpen=jaw)
    assert (found["AU26"].value, found["AU27"].value) == (jaw, stretch)


def test_lip_suck_is_the_larger_roll() -> None:
    assert units(mouthRollUpper=0.2, mouthRollLower=0.5)["AU28"].value == 0.5


def test_a_still_has_eye_closure_but_no_blink_and_no_wink() -> None:
    found = units(eyeBlinkLeft=0.9, eyeBlinkRight=0.8)
    assert found["AU43"] == UnitValue(0.9, 0.9, 0.8)
    assert not {"AU45", "AU46"} & set(found)


@pytest.mark.parametrize(
    ("unit", "shapes"),
    [
        ("AU61", ("eyeLookOutLeft", "eyeLookInRight")),
        ("AU62", ("eyeLookOutRight", "eyeLookInLeft")),
        ("AU63", ("eyeLookUpLeft", "eyeLookUpRight")),
        ("AU64", ("eyeLookDownLeft", "eyeLookDownRight")),
    ],
)
def test_gaze_units_follow_the_persons_own_sides(unit: str, shapes: tuple[str, str]) -> None:
    found = units(**{shapes[0]: 0.6, shapes[1]: 0.4})
    assert found.pop(unit) == UnitValue(0.5)
    assert all(value.value == 0 for value in found.values())


@given(st.fixed_dictionaries({name: st.floats(0, 1) for name in BLENDSHAPES}))
def test_a_mirrored_face_swaps_sides_and_nothing_else(scores: dict[str, float]) -> None:
    found = facs.units_from_blendshapes(scores)
    mirrored = facs.units_from_blendshapes({swap_sides(name): value for name, value in scores.items()})
    assert mirrored.pop("AU61").value == pytest.approx(found.pop("AU62").value)
    assert mirrored.pop("AU62").value == pytest.approx(found.pop("AU61").value)
    for code, value in found.items():
        assert mirrored[code].value == pytest.approx(value.value)
        assert (mirrored[code].left, mirrored[code].right) == (value.right, value.left)
        assert 0 <= value.value <= 1


def test_shapes_are_read_by_name_whatever_their_order() -> None:
    scores = {name: index / 100 for index, name in enumerate(BLENDSHAPES)}
    assert facs.units_from_blendshapes(dict(reversed(scores.items()))) == facs.units_from_blendshapes(scores)


def test_a_unit_without_all_its_shapes_is_left_out_not_zero() -> None:
    found = facs.units_from_blendshapes({"mouthSmileLeft": 0.5, "browInnerUp": 0.2})
    assert found == {"AU01": UnitValue(0.2)}


def test_the_tongue_is_measured_only_where_the_shape_is_given() -> None:
    assert "AU19" not in units()
    assert units(tongueOut=0.7)["AU19"].value == 0.7


def test_an_unknown_shape_is_refused_with_the_closest_name() -> None:
    with pytest.raises(DataError, match="did you mean 'jawOpen'"):
        facs.units_from_blendshapes({"jawopen": 0.1})


@pytest.mark.parametrize("value", [1.5, -0.2, float("nan")])
def test_an_activation_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="jawOpen"):
        facs.units_from_blendshapes({"jawOpen": value})


@pytest.mark.parametrize(
    ("value", "band"),
    [
        (0, "absent"),
        (0.099, "absent"),
        (0.1, "slight"),
        (0.299, "slight"),
        (0.3, "moderate"),
        (0.6, "strong"),
        (1, "strong"),
    ],
)
def test_strength_bands(value: float, band: str) -> None:
    assert facs.strength(value) is Strength(band)


def test_wording_follows_the_strength() -> None:
    smile = UNITS["AU12"]
    assert [smile.wording(value) for value in (0.2, 0.4, 0.8)] == [smile.slight, smile.name, smile.strong]


def test_sides_are_asymmetric_above_a_quarter() -> None:
    assert UnitValue(0.5, 0.5, 0.2).asymmetric
    assert not UnitValue(0.5, 0.5, 0.25).asymmetric
    assert not UnitValue(0.5).asymmetric


def test_every_prior_names_its_source_and_known_units() -> None:
    assert set(facs.prior_sources()) >= {
        "du2014", "du2014_compound", "emfacs", "facs1978", "emotion_llama", "merr", "mer_factory",
    }  # fmt: skip
    for source in facs.prior_sources():
        table = facs.priors(source)
        assert table.id == source
        assert table.source
        assert table.cite
        assert table.about
        assert table.emotions
        for prototype in table.emotions.values():
            assert prototype.core
            assert set(prototype.units) <= set(UNITS)
            assert len(set(prototype.units)) == len(prototype.units)


def test_the_default_prior_is_du_and_others() -> None:
    table = facs.priors()
    assert table.id == "du2014"
    assert table.emotions["surprise"].core == ("AU01", "AU02", "AU25", "AU26")
    assert table.emotions["surprise"].variants == ("AU05",)


def test_compounds_that_units_cannot_separate_share_their_core() -> None:
    compound = facs.priors("du2014_compound").emotions
    assert len(compound) == 15
    assert compound["sadly fearful"].core == facs.priors().emotions["fear"].core
    assert compound["appalled"].core == compound["hatred"].core


def test_an_unknown_prior_is_refused_with_the_closest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'du2014'"):
        facs.priors("du2104")


def test_codes_we_do_not_describe_are_not_described() -> None:
    assert facs.undescribed()
    assert not facs.undescribed() & set(UNITS)
