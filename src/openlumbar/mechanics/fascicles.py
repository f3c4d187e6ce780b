"""The trunk muscles of the base models, from ``data/fascicles.toml``.

Fascicles of the right side run from landmark to landmark, by points fixed to the vertebrae that
they pass, so that they follow the spine when it bends. The left side is the mirror image.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from openlumbar.core.errors import InputError, OptionError
from openlumbar.mechanics.model import Array, Muscle
from openlumbar.mechanics.paths import strings_of

_TABLE = resources.files("openlumbar.mechanics") / "data" / "fascicles.toml"
_LUMBAR = tuple(f"lumbar{n}" for n in range(1, 6))
#: Bodies from above: a fascicle passes those between its ends.
_DOWNWARD = ("thorax", *_LUMBAR, "pelvis", "femur_right")
_MIRROR = np.array([1.0, 1.0, -1.0])
# Height of a disc while vertebrae are stacked to estimate lengths, m.
_DISC_M = 0.010

Landmarks = Mapping[str, Mapping[str, Array]]
_Positive = Annotated[float, Field(gt=0)]
_Point = str | tuple[str, float, float, float]
_Place = tuple[float, float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Section(_Strict):
    """A muscle of one side in a horizontal slice through a disc.

    Attributes
    ----------
    forward_mm, right_mm
        Of its centroid from the middle of the disc, right side.
    """

    area_cm2: _Positive
    forward_mm: float
    right_mm: float


class _Group(_Strict):
    tension_n_per_cm2: _Positive
    female_area: _Positive
    source: str


class _Part(_Strict):
    group: str
    fibre_share: Annotated[float, Field(gt=0, lt=1)]
    pennation_deg: Annotated[float, Field(ge=0, lt=45)]
    attachments: str
    areas: str
    fibres: str
    reasoning: str


class _Fascicle(_Strict):
    name: str
    part: str
    area_cm2: _Positive
    upper: Annotated[_Point, Field(alias="from")]
    lower: Annotated[_Point, Field(alias="to")]
    lane: str = ""
    over: tuple[_Point, ...] = ()


class _Table(_Strict):
    spinous_depth_mm: _Positive
    female_size: _Positive
    groups: dict[str, _Group]
    parts: dict[str, _Part]
    lanes: dict[str, dict[str, str | _Place]]
    fascicles: tuple[_Fascicle, ...]
    reference_sections: dict[str, dict[str, Section]]


@cache
def _table() -> _Table:
    return _Table.model_validate(tomllib.loads(_TABLE.read_text("utf-8")))


def reference_sections(sex: str) -> dict[str, dict[str, Section]]:
    """Cross-sections of the measured muscles in people whom the base model stands for.

    Parameters
    ----------
    sex
        ``M`` or ``F``.

    Returns
    -------
    By group and joint (``L1_L2`` … ``L5_S1``; no quadratus lumborum below L4-L5). Areas and
    places are ours, from label maps of four people; the table says how.

    Raises
    ------
    OptionError
        The sex is neither.
    """
    table = _table()
    if not _is_woman(sex):
        return table.reference_sections
    return {
        group: {
            joint: _womans(section, table.groups[group].female_area)
            for joint, section in sections.items()
        }
        for group, sections in table.reference_sections.items()
    }


def base_muscles(sex: str, landmarks: Landmarks) -> tuple[Muscle, ...]:
    """All fascicles of a base model.

    Parameters
    ----------
    sex
        ``M`` or ``F``; of a woman's muscles the areas are smaller.
    landmarks
        Metres in the body's frame, by body and name; right side.

    Returns
    -------
    Right and left in turn, in the order of the table. Lengths of fibres and tendons are for
    vertebrae stacked straight until :func:`with_fibres` sets them for a posture.

    Raises
    ------
    InputError
        A body or landmark of the table is missing.
    OptionError
        The sex is neither.
    """
    table = _table()
    frames = _stacked(landmarks)
    muscles: list[Muscle] = []
    for fascicle in table.fascicles:
        right = _right(fascicle, sex, landmarks)
        muscles += [right, mirrored(right)]
    return with_fibres(muscles, frames)


def mirrored(muscle: Muscle) -> Muscle:
    """The same fascicle of the other side."""
    side, end = ("left", "_l") if muscle.side == "right" else ("right", "_r")
    bodies = tuple(_other_side(body, side) for body in muscle.bodies)
    return replace(
        muscle,
        name=muscle.name[:-2] + end,
        side=side,
        bodies=bodies,
        points_m=muscle.points_m * _MIRROR,
    )


def path_length(muscle: Muscle, frames: Mapping[str, Array]) -> float:
    """Length of a fascicle's path, metres, with bodies placed by ``[4, 4]`` to ground."""
    return float(strings_of([muscle]).placed(frames).lengths_m[0])


def with_fibres(muscles: Iterable[Muscle], frames: Mapping[str, Array]) -> tuple[Muscle, ...]:
    """Fibre and tendon lengths that fill each path in a posture, in their old proportion.

    Parameters
    ----------
    frames
        ``[4, 4]`` from each body to ground, as of :func:`openlumbar.mechanics.kinematics.place`.
    """
    return tuple(_filled(muscle, path_length(muscle, frames)) for muscle in muscles)


def _filled(muscle: Muscle, length: float) -> Muscle:
    along = muscle.optimal_fibre_m * np.cos(muscle.pennation_rad)
    factor = length / (along + muscle.tendon_slack_m)
    return replace(
        muscle,
        optimal_fibre_m=muscle.optimal_fibre_m * factor,
        tendon_slack_m=muscle.tendon_slack_m * factor,
    )


def _womans(section: Section, area: float) -> Section:
    size = _table().female_size
    return Section(
        area_cm2=section.area_cm2 * area,
        forward_mm=section.forward_mm * size,
        right_mm=section.right_mm * size,
    )


def _is_woman(sex: str) -> bool:
    if sex not in ("M", "F"):
        raise OptionError(f"sex {sex!r}: base models are of M and F; give one of these")
    return sex == "F"


def _area_factor(group: _Group, sex: str) -> float:
    return group.female_area if _is_woman(sex) else 1.0


def _right(fascicle: _Fascicle, sex: str, landmarks: Landmarks) -> Muscle:
    """A fascicle of the right side; fibre and tendon lengths are shares of its path."""
    table = _table()
    part = table.parts[fascicle.part]
    group = table.groups[part.group]
    path = _path(fascicle, landmarks, _size(landmarks))
    pennation = float(np.radians(part.pennation_deg))
    return Muscle(
        name=f"{fascicle.name}_r",
        group=part.group,
        side="right",
        bodies=tuple(body for body, _ in path),
        points_m=np.array([point for _, point in path]),
        area_cm2=fascicle.area_cm2 * _area_factor(group, sex),
        tension_n_per_cm2=group.tension_n_per_cm2,
        optimal_fibre_m=part.fibre_share,
        tendon_slack_m=1 - part.fibre_share * float(np.cos(pennation)),
        pennation_rad=pennation,
    )


def _path(fascicle: _Fascicle, landmarks: Landmarks, size: float) -> list[tuple[str, Array]]:
    """Points from origin to insertion, each with its body."""
    ends = [fascicle.upper, *fascicle.over, fascicle.lower]
    *upper, lower = [_point(point, landmarks, size) for point in ends]
    lane = _table().lanes[fascicle.lane] if fascicle.lane else {}
    return [*upper, *_passed(lane, _between(upper[-1][0], lower[0]), landmarks, size), lower]


def _between(upper: str, lower: str) -> Sequence[str]:
    return _DOWNWARD[_DOWNWARD.index(upper) + 1 : _DOWNWARD.index(lower)]


def _passed(
    lane: Mapping[str, str | _Place], bodies: Sequence[str], landmarks: Landmarks, size: float
) -> list[tuple[str, Array]]:
    points = []
    for body in bodies:
        entry = lane.get(body)
        if isinstance(entry, str):
            points.append(_point(entry, landmarks, size))
        elif entry is not None:
            points.append((body, np.array(entry) * size / 1000))
    return points


def _point(point: _Point, landmarks: Landmarks, size: float) -> tuple[str, Array]:
    name, *offset = (point,) if isinstance(point, str) else point
    body, _, landmark = str(name).partition(".")
    if landmark not in landmarks.get(body, {}):
        message = (
            f"The landmarks have no '{name}', which a fascicle of the base model needs. "
            "Give landmarks as mechanics.base.landmarks returns them."
        )
        raise InputError(message)
    start = np.asarray(landmarks[body][landmark], dtype=float)
    return body, start + np.array(offset or (0.0, 0.0, 0.0), dtype=float) * size / 1000


def _size(landmarks: Landmarks) -> float:
    """Of the lumbar vertebrae, against those for which offsets and lanes are written."""
    depths = [abs(_point(f"{body}.spinous_tip", landmarks, 1.0)[1][0]) for body in _LUMBAR]
    return 1000 * float(np.mean(depths)) / _table().spinous_depth_mm


def _stacked(landmarks: Landmarks) -> dict[str, Array]:
    """Bodies one above the other, upright, without curves; left and right leg alike."""
    frames = {name: np.eye(4) for name in ("pelvis", "femur_right", "femur_left")}
    height = 0.0
    for body in reversed(("thorax", *_LUMBAR)):
        half = _half_height(landmarks["lumbar1" if body == "thorax" else body])
        height += _DISC_M + half
        frames[body] = np.eye(4)
        frames[body][1, 3] = height
        height += half
    return frames


def _half_height(vertebra: Mapping[str, Array]) -> float:
    return float(vertebra["body_side_upper"][1] - vertebra["body_side_lower"][1]) / 2


def _other_side(body: str, side: str) -> str:
    for old in ("_right", "_left"):
        if body.endswith(old):
            return body.removesuffix(old) + f"_{side}"
    return body
