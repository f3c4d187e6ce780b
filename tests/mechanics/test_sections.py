"""Sections of fascicles by planes: straight strings, whose crossings are known."""

from __future__ import annotations

import numpy as np
import pytest

from openlumbar.mechanics.model import Body, Model, Muscle
from openlumbar.mechanics.sections import (
    GROUPS,
    LEVELS,
    SIDES,
    Planes,
    Sections,
    crossing,
    paths_of,
)


def _muscle(name: str, points: list[list[float]], area: float, side: str = "right") -> Muscle:
    bodies = ("pelvis",) * len(points)
    return Muscle(name, "psoas", side, bodies, np.array(points), area, 100.0, 0.1, 0.1)


def _cut(muscles: list[Muscle], normal: tuple[float, float, float] = (0, 1, 0)) -> Sections:
    body = Body("pelvis", 1.0, np.zeros(3), np.eye(3))
    model = Model("strings", "M", 1.8, 80.0, {"pelvis": body}, (), tuple(muscles))
    unit = np.array(normal, float) / np.linalg.norm(normal)
    middle = np.array([[0.0, 0.1, 0.0]])
    planes = Planes(middle, unit[None], middle, np.eye(3)[None])
    return crossing(model, {"pelvis": np.eye(4)}, planes)


AT = GROUPS.index("psoas"), SIDES.index("right"), 0


def test_area_and_centroid_of_strings_that_cross() -> None:
    one = _muscle("a_r", [[0.02, 0.3, 0.03], [0.02, 0.0, 0.03]], 3.0)
    other = _muscle("b_r", [[0.06, 0.0, 0.05], [0.06, 0.3, 0.05]], 1.0)
    found = _cut([one, other])
    assert found.area_cm2[AT] == pytest.approx(4.0)
    np.testing.assert_allclose(found.centroid_m[AT], [0.03, 0.1, 0.035], atol=1e-12)
    np.testing.assert_allclose(found.offset_m[AT], [0.03, 0.0, 0.035], atol=1e-12)
    # Upward, from whichever end the string is listed.
    np.testing.assert_allclose(found.direction[AT], [0, 1, 0], atol=1e-12)


def test_other_sides_and_muscles_are_empty() -> None:
    found = _cut([_muscle("a_r", [[0, 0.3, 0], [0, 0, 0]], 3.0)])
    assert found.area_cm2.sum() == 3.0
    assert np.isnan(found.centroid_m[AT[0], 0, 0]).all()


def test_a_string_that_does_not_reach_the_plane_does_not_count() -> None:
    found = _cut([_muscle("a_r", [[0, 0.3, 0], [0, 0.11, 0]], 3.0)])
    assert found.area_cm2.sum() == 0
    assert not found.crosses.any()


def test_an_end_in_the_plane_counts_as_above_it() -> None:
    down = _muscle("a_r", [[0, 0.1, 0], [0, 0.0, 0]], 3.0)
    up = _muscle("b_r", [[0, 0.1, 0], [0, 0.3, 0]], 2.0)
    assert _cut([down, up]).area_cm2[AT] == 3.0


def test_a_point_of_the_path_in_the_plane_counts_once() -> None:
    path = _muscle("a_r", [[0, 0.3, 0], [0.01, 0.1, 0], [0, 0.0, 0]], 3.0)
    found = _cut([path])
    assert found.area_cm2[AT] == 3.0
    np.testing.assert_allclose(found.centroid_m[AT], [0.01, 0.1, 0], atol=1e-12)


def test_of_three_crossings_the_nearest_to_the_disc_counts() -> None:
    path = _muscle("a_r", [[0.2, 0.3, 0], [0.2, 0.0, 0], [0.05, 0.3, 0], [0.05, 0.0, 0]], 3.0)
    found = _cut([path])
    assert found.area_cm2[AT] == 3.0
    np.testing.assert_allclose(found.centroid_m[AT], [0.05, 0.1, 0], atol=1e-12)


def test_an_oblique_plane_is_met_where_the_string_meets_it() -> None:
    found = _cut([_muscle("a_r", [[0.05, 0.5, 0], [0.05, -0.5, 0]], 3.0)], (1, 1, 0))
    np.testing.assert_allclose(found.centroid_m[AT], [0.05, 0.05, 0], atol=1e-12)


def test_lengths_of_paths() -> None:
    muscles = (
        _muscle("a_r", [[0, 0, 0], [0, 0.3, 0], [0.4, 0.3, 0]], 1.0),
        _muscle("b_r", [[0, 0, 0], [0, 0, 0.2]], 1.0),
    )
    body = Body("pelvis", 1.0, np.zeros(3), np.eye(3))
    model = Model("strings", "M", 1.8, 80.0, {"pelvis": body}, (), muscles)
    np.testing.assert_allclose(paths_of(model, {"pelvis": np.eye(4)}).lengths_m, [0.7, 0.2])


def test_levels_are_the_lumbar_discs() -> None:
    assert LEVELS == ("T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
