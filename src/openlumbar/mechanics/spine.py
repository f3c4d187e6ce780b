"""The lumbar spine of a person lying in the scanner: a frame for every vertebra and disc.

Frames are LPS, millimetres. The columns of ``axes`` are anterior, up and right of the person:
right-handed, as x, y and z of the model. Sagittal series tell the direction of an endplate in
the sagittal plane (``pitch``); to the side a vertebra leans as the course of all centres does
there. How it is turned about its own long axis is not measured, and taken as none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from openlumbar.core.levels import LevelRow
from openlumbar.core.loads import Origin, Provenance
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    ROOT,
    VERTEBRA_BODIES,
    Array,
    Model,
    Posture,
)
from openlumbar.mechanics.spine_fill import Course, Filled, fill, plausible
from openlumbar.mechanics.spine_readings import DISCS, ELEMENTS, VERTEBRAE, Readings, read_spine

#: From ground (x forward, y up, z right) to LPS: columns anterior, up, right.
GROUND_IN_LPS: Array = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
#: Of a spine that was not imaged at all, one standard deviation of a vertebra's place and
#: turn among people. Ours.
GENERIC_SD_MM, GENERIC_SD_DEG = 4.0, 6.0
GENERIC_SIZE_SD_MM = 2.0
#: Part of the variance of :func:`perturbed` that all frames share. Ours.
SHARED = 0.5
#: No perturbed body is smaller than this part of what was measured.
_LEAST_SIZE = 0.5


@dataclass(frozen=True, eq=False)
class Frame:
    """A vertebra or a disc.

    Attributes
    ----------
    name
        ``L4`` or ``L4-L5``, as the model names it.
    middle_mm
        ``[3]`` LPS: centre of the body or the disc. Of S1 the middle of its upper endplate.
    axes
        ``[3, 3]``, columns anterior, up and right in LPS; up is square to the mid-plane
        between a body's endplates, to that between the two endplates that hold a disc, to S1's
        upper endplate.
    place_sd_mm
        One standard deviation of the middle, each axis.
    pitch_sd_deg, lean_sd_deg
        Of the turn in the sagittal plane, and in the frontal plane.
    place, turn, size
        Where they come from.
    height_mm, depth_mm
        Of a body; 0 for a disc and for S1.
    size_sd_mm
        Of height and depth.
    """

    name: str
    middle_mm: Array
    axes: Array
    place_sd_mm: float
    pitch_sd_deg: float
    lean_sd_deg: float
    place: Origin
    turn: Origin
    height_mm: float = 0.0
    depth_mm: float = 0.0
    size_sd_mm: float = 0.0
    size: Origin = Origin.GENERIC

    @property
    def pitch_deg(self) -> float:
        """Of the frame in the sagittal plane, positive when the front is lower."""
        return float(np.degrees(np.arctan2(-self.axes[2, 0], -self.axes[1, 0])))


@dataclass(frozen=True, eq=False)
class MeasuredSpine:
    """The spine as imaged, whole: what was not measured follows from what was.

    Attributes
    ----------
    frames
        By name, T12, T12-L1, L1 … L5-S1, S1.
    names
        Level of the model to level of the measurements; they differ where there are six or
        four lumbar vertebrae.
    flags
        Words of :mod:`openlumbar.core.flags`.
    notes
        Sentences for a person.
    """

    frames: Mapping[str, Frame]
    names: Mapping[str, str] = field(default_factory=lambda: {name: name for name in ELEMENTS})
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def vertebrae(self) -> dict[str, Frame]:
        """T12, L1 … L5 and S1, from above."""
        return {name: self.frames[name] for name in VERTEBRAE}

    @property
    def discs(self) -> dict[str, Frame]:
        """T12-L1 … L5-S1, from above."""
        return {name: self.frames[name] for name in DISCS}

    @property
    def measured(self) -> bool:
        """Whether anything of it was: else it is the base model's."""
        return "curvature-generic" not in self.flags

    @cached_property
    def middles_mm(self) -> Array:
        """``[13, 3]`` LPS, in the order of ``ELEMENTS``."""
        return np.stack([self.frames[name].middle_mm for name in ELEMENTS])

    @cached_property
    def axes(self) -> Array:
        """``[13, 3, 3]``, in the order of ``ELEMENTS``."""
        return np.stack([self.frames[name].axes for name in ELEMENTS])

    @property
    def sacral_slope_deg(self) -> float:
        """Of S1's upper endplate to the patient's horizontal."""
        return self.frames["S1"].pitch_deg

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """Where each place, turn and size comes from."""
        return tuple(row for name in ELEMENTS for row in _provenance(self.frames[name]))


# -- from measurements -----------------------------------------------------------------


def measured_spine(
    measurements: Sequence[Measurement], rows: Sequence[LevelRow], model: Model
) -> MeasuredSpine:
    """Put the frames of T12 to S1 together from what the sagittal series say.

    Missing vertebrae and discs between measured ones follow the base model's course, turned and
    stretched to end at both; beyond the last measured one it goes on from there with the base
    model's spacing and angles.

    Parameters
    ----------
    measurements
        Of the exam; those of axial series are passed over.
    rows
        Of its ``levels.csv``.
    model
        Scaled to the person: gives what was not measured.

    Returns
    -------
    MeasuredSpine
        With ``curvature-partly-generic`` where a vertebra was not measured, and
        ``curvature-generic`` (the model's own spine) where none was.
    """
    found = read_spine(measurements, rows)
    base = generic_spine(model)
    seen, doubts = plausible(found.seen)
    if not np.isfinite(seen.place_mm[:-1, 1]).any():
        notes = (*found.notes, *doubts, *base.notes)
        return replace(base, notes=notes, flags=(*base.flags, *found.flags))
    filled = fill(seen, course_of(base))
    frames = {name: _frame(n, filled, base.frames[name]) for n, name in enumerate(ELEMENTS)}
    partly, notes = _missing(frames.values())
    return MeasuredSpine(
        frames,
        _names_of(found),
        (*partly, *found.flags),
        (*found.notes, *doubts, *notes),
    )


def _names_of(found: Readings) -> dict[str, str]:
    return {name: found.names[name] for name in ELEMENTS}


def _frame(n: int, filled: Filled, base: Frame) -> Frame:
    return replace(
        base,
        middle_mm=filled.place_mm[n],
        axes=axes_of(filled.pitch_deg[n], filled.lean_deg[n]),
        place_sd_mm=float(filled.place_sd_mm[n]),
        pitch_sd_deg=float(filled.pitch_sd_deg[n]),
        lean_sd_deg=float(filled.lean_sd_deg[n]),
        place=filled.place[n],
        turn=filled.turn[n],
        height_mm=float(filled.height_mm[n]),
        depth_mm=float(filled.depth_mm[n]),
        size_sd_mm=float(filled.size_sd_mm[n]),
        size=filled.size[n],
    )


def axes_of(pitch_deg: float, lean_deg: float) -> Array:
    """``[3, 3]``, columns anterior, up, right in LPS: leaning to the right, then pitched.

    Examples
    --------
    >>> axes_of(0.0, 0.0)[:, 1]
    array([0., 0., 1.])
    """
    pitch, lean = np.radians([pitch_deg, lean_deg])
    anterior = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
    up, right = np.array([0.0, -np.sin(pitch), np.cos(pitch)]), np.array([-1.0, 0.0, 0.0])
    leaning = np.cos(lean) * up + np.sin(lean) * right
    return np.stack([anterior, leaning, np.cos(lean) * right - np.sin(lean) * up], axis=1)


def _missing(frames: Iterable[Frame]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    vertebrae = [frame for frame in frames if frame.name in VERTEBRAE]
    between = [f.name for f in vertebrae if f.place is Origin.INTERPOLATED]
    beyond = [f.name for f in vertebrae if f.place is Origin.GENERIC]
    placed = [f for f in vertebrae if f.place is Origin.MEASURED]
    unturned = [f.name for f in placed if f.turn is not Origin.MEASURED]
    notes = [
        f"{', '.join(names)}: {what}"
        for names, what in (
            (between, "not measured; the place lies between the neighbours'."),
            (beyond, "not measured; carried on with the base model's spacing and angles."),
            (unturned, "no endplates were measured; the angle follows from the neighbours'."),
        )
        if names
    ]
    return (("curvature-partly-generic",) if notes else ()), tuple(notes)


# -- the model's own spine -------------------------------------------------------------


def generic_spine(model: Model) -> MeasuredSpine:
    """A model's own spine at rest, as if it had been imaged; S1's endplate at the origin.

    The model has no T12 nor S1 of its own: T12 is turned against the disc below it as that is
    against L1, and S1 likewise.
    """
    places = place(model, Posture())
    named = {joint.name: joint for joint in model.joints}
    at: dict[str, Array] = {name: places[body] for name, body in VERTEBRA_BODIES.items()}
    for joint, level in LUMBAR_JOINTS.items():
        at[level] = places[named[joint].parent] @ named[joint].in_parent
    at["T12"], at["S1"] = places["thorax"].copy(), places[ROOT].copy()
    for end, disc, near in (("T12", "T12-L1", "L1"), ("S1", "L5-S1", "L5")):
        step = at[disc][:3, :3] @ at[near][:3, :3].T
        at[end][:3, :3] = step @ at[disc][:3, :3]
    frames = {name: _generic_frame(name, at[name], model) for name in ELEMENTS}
    note = "No vertebra was measured: the spine has the base model's shape."
    return MeasuredSpine(frames, flags=("curvature-generic",), notes=(note,))


def _generic_frame(name: str, place: Array, model: Model) -> Frame:
    shape = model.shapes.get(VERTEBRA_BODIES.get(name, ""))
    height = 0.0 if shape is None else float(np.linalg.norm(shape.upper_m - shape.lower_m))
    return Frame(
        name=name,
        middle_mm=GROUND_IN_LPS @ place[:3, 3] * 1000,
        axes=GROUND_IN_LPS @ place[:3, :3],
        place_sd_mm=GENERIC_SD_MM,
        pitch_sd_deg=GENERIC_SD_DEG,
        lean_sd_deg=0.0,
        place=Origin.GENERIC,
        turn=Origin.GENERIC,
        height_mm=1000 * height,
        depth_mm=0.0 if shape is None else 1000 * shape.depth_m,
        size_sd_mm=0.0 if shape is None else GENERIC_SIZE_SD_MM,
    )


def course_of(spine: MeasuredSpine) -> Course:
    """A spine as the arrays that missing parts of another are filled from."""
    frames = [spine.frames[name] for name in ELEMENTS]
    return Course(
        spine.middles_mm,
        np.array([frame.pitch_deg for frame in frames]),
        np.array([frame.height_mm for frame in frames]),
        np.array([frame.depth_mm for frame in frames]),
    )


# -- uncertainty -----------------------------------------------------------------------


def perturbed(spine: MeasuredSpine, rng: np.random.Generator) -> MeasuredSpine:
    """A spine that the measurements' uncertainty allows as well.

    Each middle is moved on each axis, each frame pitched and leaned, each body's height and depth
    changed, by normal deviates of their own standard deviation. Half of the variance
    (:data:`SHARED`) is one draw for all frames: what a network or an annotator does alike
    everywhere. A shift that all share does not bend the spine, but moves it against the muscles.
    """
    frames = [spine.frames[name] for name in ELEMENTS]
    count = len(frames)
    # Columns: three of place, pitch, lean, height and depth.
    shared, own = np.sqrt(SHARED), np.sqrt(1 - SHARED)
    draw = shared * rng.standard_normal((1, 7)) + own * rng.standard_normal((count, 7))
    spread = np.array(
        [[f.place_sd_mm, f.pitch_sd_deg, f.lean_sd_deg, f.size_sd_mm] for f in frames]
    )
    draw *= spread[:, [0, 0, 0, 1, 2, 3, 3]]
    middles = spine.middles_mm + draw[:, :3]
    axes = spine.axes @ _turns(draw[:, 3], draw[:, 4])
    sizes = np.array([[f.height_mm, f.depth_mm] for f in frames])
    sizes = np.maximum(sizes + draw[:, 5:], _LEAST_SIZE * sizes)
    moved = {
        frame.name: replace(
            frame,
            middle_mm=middles[n],
            axes=axes[n],
            height_mm=float(sizes[n, 0]),
            depth_mm=float(sizes[n, 1]),
        )
        for n, frame in enumerate(frames)
    }
    return replace(spine, frames=moved)


def _turns(pitch_deg: Array, lean_deg: Array) -> Array:
    """``[n, 3, 3]`` about a frame's own right axis (front down), then about its anterior axis."""
    a, b = np.radians(pitch_deg), np.radians(lean_deg)
    zero, one = np.zeros_like(a), np.ones_like(a)
    pitch = [[np.cos(a), np.sin(a), zero], [-np.sin(a), np.cos(a), zero], [zero, zero, one]]
    lean = [[one, zero, zero], [zero, np.cos(b), -np.sin(b)], [zero, np.sin(b), np.cos(b)]]
    return np.moveaxis(np.array(pitch), -1, 0) @ np.moveaxis(np.array(lean), -1, 0)


def _provenance(frame: Frame) -> list[Provenance]:
    disc = frame.name in DISCS
    what = ("place of the joint", "axis of the joint") if disc else ("place", "orientation")
    if frame.name == "S1":
        what = ("place of the upper endplate", "sacral slope as imaged")
    sd = np.hypot(frame.pitch_sd_deg, frame.lean_sd_deg) if disc else frame.pitch_sd_deg
    rows = [
        Provenance(
            what[0], frame.name, frame.place, frame.name, uncertainty=frame.place_sd_mm, unit="mm"
        ),
        Provenance(
            what[1],
            frame.name,
            frame.turn,
            frame.name,
            value=frame.pitch_deg,
            uncertainty=float(sd),
            unit="deg",
        ),
    ]
    if frame.name in VERTEBRA_BODIES:
        rows += [
            Provenance(
                name,
                frame.name,
                frame.size,
                frame.name,
                value=value,
                uncertainty=frame.size_sd_mm,
                unit="mm",
            )
            for name, value in (("height", frame.height_mm), ("depth", frame.depth_mm))
        ]
    return rows
