from emollm import facs
from emollm.report.regions import MESH_POINTS, OUTLINES, REGIONS, UNIT_REGIONS
from emollm.types import Side


def test_every_described_unit_has_regions() -> None:
    assert set(facs.UNITS) <= set(UNIT_REGIONS)


def test_units_and_outlines_name_regions_that_exist() -> None:
    assert {name for names in UNIT_REGIONS.values() for name in names} | set(OUTLINES) <= set(REGIONS)


def test_regions_are_points_of_the_mesh_without_repetition() -> None:
    for name, regions in REGIONS.items():
        for region in regions:
            assert len(region.points) >= 3, name
            assert all(0 <= point < MESH_POINTS for point in region.points), name
            assert len(set(region.points)) == len(region.points), name


def test_paired_regions_mirror_each_other_point_by_point() -> None:
    for name, regions in REGIONS.items():
        if len(regions) == 2:
            right, left = regions
            assert (right.side, left.side) == (Side.RIGHT, Side.LEFT), name
            assert len(right.points) == len(left.points), name
            assert not set(right.points) & set(left.points), name
