"""Spinal loads: what a solved task says, and how far the model behind it was measured.

Frames. Loads are given in the frame of a disc or a vertebra in the posture of the task:
``axial`` points up along its own axis, ``anterior`` forward, square to it. A load is what the
part of the body above exerts on the part below: compression is positive downward along the
axis, shear positive forward. Places for drawing are in the model's ground frame: x forward,
y up, z to the right of the person, millimetres, from the middle of the upper endplate of S1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

#: The discs whose loads are solved, from above; each is a joint of the model.
JOINT_LEVELS: tuple[str, ...] = ("T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
#: The vertebrae whose loads are given as Hess et al. 2023 give them.
VERTEBRA_LEVELS: tuple[str, ...] = ("L1", "L2", "L3", "L4", "L5")

Point = tuple[float, float, float]


class Origin(StrEnum):
    """Where a property of the model comes from."""

    MEASURED = "measured"
    INTERPOLATED = "interpolated"
    GENERIC = "generic"


@dataclass(frozen=True)
class Load:
    """One row of ``loads.csv``.

    Attributes
    ----------
    level
        ``L4-L5`` for a joint, ``L4`` for a vertebra.
    place
        ``joint``: the whole force across the disc, along the disc's own axis. ``vertebra``:
        the force that the joint above puts on the vertebra, along the vertebra's own axis.
    compression_n
        Along the axis, positive when it presses.
    shear_n, lateral_shear_n
        Square to the axis: of what lies above, forward, and to the right of the person.
    low_n, high_n
        Interval of the compression (:attr:`Loads.interval`); None where it was not asked for.
    shear_low_n, shear_high_n
        Likewise of ``shear_n``.
    flags
        Words of :mod:`openlumbar.core.flags`.
    """

    level: str
    place: str
    compression_n: float
    shear_n: float
    lateral_shear_n: float
    low_n: float | None = None
    high_n: float | None = None
    shear_low_n: float | None = None
    shear_high_n: float | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class MuscleLoad:
    """One fascicle in a solved task.

    Attributes
    ----------
    name
        As in ``model.osim``.
    group
        ``multifidus``, ``erector spinae``, ``rectus abdominis`` …
    side
        ``left`` or ``right``.
    activation
        0 … 1.
    path_mm
        Its points in ground, for drawing.
    """

    name: str
    group: str
    side: str
    activation: float
    force_n: float
    max_force_n: float
    path_mm: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Reserve:
    """A moment that no muscle gave: the solver's way to say that the muscles do not suffice.

    Attributes
    ----------
    axis
        ``flexion``, ``lateral bending`` or ``axial rotation``, of the joint's own frame.
    moment_nm
        Positive forward, to the right, and turning to the left.
    bound_nm
        No reserve is larger.
    """

    joint: str
    axis: str
    moment_nm: float
    bound_nm: float


@dataclass(frozen=True)
class BodyShape:
    """A body's outline in a solved task, as polylines in ground, for drawing."""

    name: str
    lines_mm: tuple[tuple[Point, ...], ...]


@dataclass(frozen=True)
class TaskLoads:
    """One solved task.

    Attributes
    ----------
    task, title
        Its name (of the file or the built-in table), and what a report calls it.
    posture
        Sentences that say in which posture, and from where that was counted.
    criterion
        What was minimised, in words.
    residual_nm
        Largest moment that is left unbalanced at any joint, reserves counted as part of the
        balance.
    """

    task: str
    title: str
    posture: tuple[str, ...]
    criterion: str
    loads: tuple[Load, ...]
    muscles: tuple[MuscleLoad, ...] = ()
    reserves: tuple[Reserve, ...] = ()
    bodies: tuple[BodyShape, ...] = ()
    residual_nm: float = 0.0
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """Where one property of the model comes from.

    Attributes
    ----------
    what
        ``place of the joint``, ``area``, ``antero-posterior offset`` …
    structure
        ``L4``, ``L4-L5``, a muscle's name, ``body mass`` …
    level, side
        Empty where they do not apply.
    value
        None where there is none to tell (a generic property of many parts).
    uncertainty
        One standard deviation, in ``unit``.
    note
        One sentence, where the origin needs one.
    """

    what: str
    structure: str
    origin: Origin
    level: str = ""
    side: str = ""
    value: float | None = None
    uncertainty: float | None = None
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Loads:
    """The loads of an exam.

    Attributes
    ----------
    missing
        One sentence that says why there are none; empty where there are.
    base_model
        The generic model that was made the person's.
    tasks
        Solved, in the order asked for.
    interval
        What ``low_n`` and ``high_n`` are, in words.
    samples
        How many perturbed models the intervals rest on.
    provenance
        What of the model was measured, interpolated or left generic.
    flags
        Words of :mod:`openlumbar.core.flags` that hold for all loads.
    notes
        Sentences for a person.
    osim
        The person's model in upright standing, as OpenSim reads it: the text of
        ``model.osim``.
    """

    missing: str = ""
    base_model: str = ""
    tasks: tuple[TaskLoads, ...] = ()
    interval: str = ""
    samples: int = 0
    provenance: tuple[Provenance, ...] = field(default_factory=tuple)
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    osim: str = ""
