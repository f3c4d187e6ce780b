"""A model with a lordotic spine made by hand, and what a scanner would tell of any spine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from support_model import string

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import GUIDE, RULER, Line, Measurement
from openlumbar.mechanics.kinematics import inverse
from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    Array,
    Body,
    Joint,
    Model,
    Muscle,
    VertebraShape,
)
from openlumbar.mechanics.spine import axes_of
from openlumbar.mechanics.spine_readings import DISCS, ELEMENTS, VERTEBRAE

#: Pitch of each vertebra, degrees, front down: of a lordosis. Its endplates are parallel.
PITCHES = dict(zip(VERTEBRAE, (-6, -8, -4, 2, 8, 20, 36), strict=True))
#: Half of the way from a body's middle to its disc's, and of that to the next body.
BODY_MM, DISC_MM, DEPTH_MM = 13.0, 5.0, 34.0
HEIGHT_MM = 26.0


def course(pitches: Mapping[str, float] = PITCHES, lean_deg: float = 0.0) -> dict[str, Array]:
    """``[4, 4]`` of each element, LPS mm: a spine that leans evenly, S1's endplate at 0."""
    pitches = dict(pitches)
    for disc in DISCS:
        pitches[disc] = float(np.mean([pitches[end] for end in disc.split("-")]))
    places, at, lean = {}, np.zeros(3), np.tan(np.radians(lean_deg))
    for name in reversed(ELEMENTS):
        steps = {"S1": 0.0, "L5-S1": DISC_MM}.get(name, BODY_MM + DISC_MM)
        direction = np.radians(pitches[name])
        at = at + steps * np.array([-lean, -np.sin(direction), np.cos(direction)])
        places[name] = np.eye(4)
        places[name][:3, :3], places[name][:3, 3] = axes_of(pitches[name], lean_deg), at
    return {name: places[name] for name in ELEMENTS}


# -- a model ---------------------------------------------------------------------------

_TO_GROUND = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
_BODIES = {"T12": "thorax", "S1": "pelvis"} | {f"L{n}": f"lumbar{n}" for n in range(1, 6)}


def to_ground(place: Array) -> Array:
    """Of a frame in LPS mm."""
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = _TO_GROUND @ place[:3, :3], _TO_GROUND @ place[:3, 3] / 1000
    return moved


def lumbar_model() -> Model:
    """Pelvis, five vertebrae, thorax and head, with a muscle on either side of each pair."""
    places = {name: to_ground(place) for name, place in course().items()}
    for name in ("T12", "S1"):
        places[name][:3, :3] = np.eye(3)
    joints = [
        Joint(
            joint,
            _BODIES[level.split("-")[1]],
            _BODIES[level.split("-")[0]],
            inverse(places[level.split("-")[1]]) @ places[level],
            inverse(places[level.split("-")[0]]) @ places[level],
            free=True,
        )
        for joint, level in reversed(LUMBAR_JOINTS.items())
    ]
    neck = np.eye(4)
    neck[1, 3] = 0.35
    joints.append(Joint("neck", "thorax", "head", neck, np.eye(4)))
    names = [*_BODIES.values(), "head"]
    return Model(
        name="by hand",
        sex="M",
        height_m=1.75,
        mass_kg=75.0,
        bodies={name: Body(name, 5.0, np.array([0.01, 0, 0]), np.eye(3)) for name in names},
        joints=tuple(joints),
        muscles=tuple(_muscles()),
        shapes={f"lumbar{n}": _shape() for n in range(1, 6)},
    )


def _shape() -> VertebraShape:
    half = np.array([0.0, HEIGHT_MM / 2000, 0.0])
    tip = np.array([-0.07, -0.01, 0.0])
    return VertebraShape(half, -half, DEPTH_MM / 1000, 1.4 * DEPTH_MM / 1000, tip)


def _muscles() -> Iterator[Muscle]:
    for side, z in (("r", 0.03), ("l", -0.03)):
        yield string(
            f"long_{side}", [(b, (-0.06, 0.0, z)) for b in ("thorax", "lumbar3", "pelvis")]
        )
        yield string(f"short_{side}", [("lumbar1", (-0.05, -0.01, z)), ("lumbar4", (-0.04, 0, z))])
        yield string(f"low_{side}", [("lumbar5", (-0.05, 0.01, z)), ("pelvis", (-0.04, -0.03, z))])


# -- measurements ----------------------------------------------------------------------


def told(
    places: Mapping[str, Array],
    series: str = "s",
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    names: Mapping[str, str] | None = None,
    confidence: float = 0.9,
) -> list[Measurement]:
    """What a flawless reading of a sagittal series would say of frames (LPS mm)."""
    called = {name: (names or {}).get(name, name) for name in ELEMENTS}
    moved = {name: (place[:3, 3] + shift_mm, place[:3, :3]) for name, place in places.items()}

    def one(structure, level, metric, value, lines=(), sd=0.4):
        return Measurement(
            series, 0, structure, called[level], metric, value, sd, confidence, lines=lines
        )

    found = []
    for name, (middle, axes) in moved.items():
        if name != "S1":
            kind = "disc" if name in DISCS else "vertebra"
            found += [
                one(kind, name, f"centroid_{axis}_mm", value)
                for axis, value in zip("xyz", middle, strict=True)
            ]
        if name in VERTEBRAE[:-1]:
            frame = Line(GUIDE, _box(middle, axes))
            found += [
                one("vertebra", name, f"{where}_height_mm", HEIGHT_MM, (frame,), 1.3)
                for where in ("anterior", "middle", "posterior")
            ]
    for name in DISCS:
        upper, lower = name.split("-")
        if upper in moved and lower in moved:
            top, under = _plate(*moved[upper], 0.5), _plate(*moved[upper], -0.5)
            facing = _plate(*moved[lower], 0.0 if lower == "S1" else 0.5)
            found.append(one("disc", name, "segmental_angle_deg", 0.0, (top, facing), 1.8))
            if name in moved:
                found.append(one("disc", name, "disc_angle_deg", 0.0, (under, facing), 2.4))
    return found


def _plate(middle: Array, axes: Array, part: float) -> Line:
    """An endplate in the sagittal plane, its middle ``part`` of the height up, front first."""
    at = middle + part * HEIGHT_MM * axes[:, 1]
    ends = at + DEPTH_MM / 2 * axes[:, 0], at - DEPTH_MM / 2 * axes[:, 0]
    return Line(RULER, tuple(tuple(float(n) for n in end) for end in ends))


def _box(middle: Array, axes: Array) -> tuple[tuple[float, ...], ...]:
    """The trapezoid around a body: its upper endplate from the front, then its lower one back."""
    upper, lower = (_plate(middle, axes, part).points_mm for part in (0.5, -0.5))
    return (*upper, *reversed(lower), upper[0])


def rows_of(places: Mapping[str, Array], series: str = "s", names=None, flags=()) -> list[LevelRow]:
    """Rows of ``levels.csv`` that name the frames' levels."""
    called = [(names or {}).get(name, name) for name in places]
    return [
        LevelRow(
            *(series, 0, 0, "", "disc" if "-" in name else "vertebra", 0, name, ""),
            *(0.9, 0.0, 0.0, 0.0, "sacrum", flags),
        )
        for name in called
    ]
