"""The model's tables: TOML files beside the code, each value with the source it was read from.

A file is read strictly: an unknown key, a missing one, a number out of range or a source that
``sources.toml`` does not name is an error.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from openlumbar.core.errors import OptionError
from openlumbar.mechanics.model import LUMBAR_JOINTS

Sex = Literal["M", "F"]

_DATA = resources.files("openlumbar.mechanics") / "data"
#: Lumbar discs from above.
LEVELS = tuple(LUMBAR_JOINTS.values())

_Part = Annotated[float, Field(gt=0, le=1)]
_Positive = Annotated[float, Field(gt=0)]
_Triple = tuple[float, float, float]
_THORACIC = tuple(f"T{n}" for n in range(1, 13))
_LUMBAR = tuple(f"L{n}" for n in range(1, 6))


def _keys(*names: str, every: bool = True) -> AfterValidator:
    """Check that a mapping has the keys named: all of them, or no others."""

    def check(found: Mapping[str, object]) -> Mapping[str, object]:
        wrong = set(found) ^ set(names) if every else set(found) - set(names)
        if wrong:
            raise ValueError(f"{', '.join(sorted(wrong))} missing or unknown; keys are {names}")
        return found

    return AfterValidator(check)


_ByDisc = Annotated[Mapping[str, _Positive], _keys(*LEVELS)]
_OfDiscs = Annotated[Mapping[str, _Positive], _keys(*LEVELS, every=False)]
_SLICES = tuple(name.lower() for name in (*_THORACIC, *_LUMBAR))


class Strict(BaseModel):
    """A part of a file that has the keys named, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sourced(Strict):
    """A table with its source.

    Attributes
    ----------
    source
        Key of ``sources.toml``.
    reason
        What the values rest on besides, and what of them is ours.
    """

    source: str
    reason: str = ""


class Source(Strict):
    """One entry of ``sources.toml``: what was read, where, under which licence."""

    citation: str
    url: str
    licence: str
    read: str


class Person(Strict):
    """Whom a base model is of."""

    height_m: _Positive
    mass_kg: _Positive


class _Reference(Sourced):
    M: Person
    F: Person


class Segment(Strict):
    """Mass of a segment.

    Attributes
    ----------
    fraction
        Of the body's mass.
    centre
        Of the segment's length, from its upper end.
    radii
        Of gyration, parts of the length, about the forward, the transverse and the long axis.
    """

    fraction: _Part
    centre: _Part
    radii: tuple[_Part, _Part, _Part]


class Limbs(Sourced):
    """Segments of one sex; the trunk's parts are fractions of the body's mass."""

    head: Segment
    upper_arm: Segment
    forearm: Segment
    hand: Segment
    thigh: Segment
    shank: Segment
    foot: Segment
    upper_trunk: _Part
    middle_trunk: _Part
    lower_trunk: _Part


class _BySex(Strict):
    M: Limbs
    F: Limbs


class Lengths(Sourced):
    """Lengths of segments, parts of the person's height."""

    head: _Part
    upper_arm: _Part
    forearm: _Part
    hand: _Part
    thigh: _Part
    shank: _Part
    foot: _Part


class Trunk(Sourced):
    """Slices of the trunk, ``t1`` … ``l5``: percent of body mass, mm before the vertebra."""

    fraction_percent: Annotated[Mapping[str, _Positive], _keys(*_SLICES)]
    forward_mm: Annotated[Mapping[str, float], _keys(*_SLICES)]


class Slices(Sourced):
    """Half axes for the slices' inertia, parts of the person's height."""

    half_depth: _Part
    half_width: _Part
    pelvis_half_height: _Part


class Segments(Strict):
    """``segments.toml``."""

    reference: _Reference
    limbs: _BySex
    lengths: Lengths
    trunk: Trunk
    slices: Slices

    def person(self, sex: Sex) -> Person:
        """Whom the base model of a sex is of."""
        return self.reference.M if sex == "M" else self.reference.F

    def limbs_of(self, sex: Sex) -> Limbs:
        """Segments of a sex."""
        return self.limbs.M if sex == "M" else self.limbs.F


class Size(Strict):
    """A vertebral body, mm."""

    height: _Positive
    depth: _Positive
    width: _Positive


class Vertebrae(Sourced):
    """Bodies of the lumbar vertebrae, ``L1`` … ``L5``."""

    sizes: Annotated[Mapping[str, Size], _keys(*_LUMBAR)]


class Wedges(Sourced):
    """Angle between a body's endplates by vertebra, positive where the front is higher."""

    deg: Annotated[Mapping[str, float], _keys("T12", *_LUMBAR)]


class _WedgesBySex(Strict):
    M: Wedges
    F: Wedges


class DiscHeights(Sourced):
    """Of the lumbar discs, mid-depth."""

    mm: _ByDisc


class Alignment(Sourced):
    """Standing lordosis and how it is shared out; degrees."""

    lordosis_deg: _Positive
    lower_share: _Part
    lower_discs: _OfDiscs
    upper_discs: _OfDiscs
    thoracolumbar_disc_deg: float


class PelvicAngles(Sourced):
    """Of the pelvis in standing, degrees."""

    sacral_slope_deg: _Positive
    pelvic_tilt_deg: _Positive


class Thoracic(Sourced):
    """The thoracic spine: kyphosis in degrees, heights in mm by vertebra from T1."""

    kyphosis_deg: _Positive
    disc_height: _Positive
    heights: Annotated[Mapping[str, _Positive], _keys(*_THORACIC)]


class JointPlaces(Sourced):
    """Where hips, shoulders and head are, mm."""

    hip_distance: _Positive
    hip_half_width: _Positive
    shoulder_level: str
    shoulder_forward_of_s1: float
    shoulder_half_width: _Positive
    head_forward_of_s1: float
    cervicale_below_t1_top: _Positive


class Female(Sourced):
    """A woman's sizes against a man's."""

    height: _Part
    depth: _Part
    width: _Part
    disc_height: _Part
    processes: _Triple
    thorax: _Triple
    pelvis: _Triple
    femur: _Triple


class Points(Sourced):
    """Landmarks of one body, mm in its frame."""

    points: Mapping[str, _Triple]


class LumbarPoints(Sourced):
    """Landmarks of the lumbar vertebrae, by landmark and vertebra, mm in their frames."""

    points: Mapping[str, Annotated[Mapping[str, _Triple], _keys(*_LUMBAR)]]


class FromVertebra(Strict):
    """A place ``at`` so many mm from the middle of the vertebra ``of``."""

    of: str
    at: _Triple


class ThoraxPoints(Sourced):
    """Landmarks of the thorax, from its vertebrae."""

    points: Mapping[str, FromVertebra]


class Landmarks(Strict):
    """Landmarks of the right side and the midline."""

    lumbar: LumbarPoints
    pelvis: Points
    femur_right: Points
    thorax: ThoraxPoints


class Skeleton(Strict):
    """``skeleton.toml``: a man of the reference height, mm and degrees."""

    vertebrae: Vertebrae
    wedges: _WedgesBySex
    disc_heights: DiscHeights
    alignment: Alignment
    pelvic_angles: PelvicAngles
    thoracic: Thoracic
    joints: JointPlaces
    landmarks: Landmarks
    female: Female

    def wedges_of(self, sex: Sex) -> Mapping[str, float]:
        """Wedges of a sex, degrees, by vertebra."""
        return (self.wedges.M if sex == "M" else self.wedges.F).deg


class Stiffness(Sourced):
    """Rotation that a moment makes in a disc, degrees by level."""

    moment_nm: _Positive
    flexion_deg: _ByDisc
    lateral_deg: _ByDisc
    axial_deg: _ByDisc

    def at(self, level: str) -> _Triple:
        """Stiffness of a disc, N m per radian: flexion, lateral bending, axial rotation."""
        turned = (self.flexion_deg, self.lateral_deg, self.axial_deg)
        flexion, lateral, axial = (
            self.moment_nm / math.radians(degrees[level]) for degrees in turned
        )
        return flexion, lateral, axial


class _StiffnessFile(Strict):
    stiffness: Stiffness


class _Lumbopelvic(Sourced):
    early_trunk_deg: _Positive
    early_lumbar_deg: _Positive
    full_trunk_deg: _Positive
    full_lumbar_deg: _Positive


class _SegmentFlexion(Sourced):
    flexion_deg: _ByDisc


class Rhythm(Strict):
    """How a forward lean of the trunk is shared out (``rhythm.toml``).

    Attributes
    ----------
    lumbopelvic
        Two points of the lumbar spine's part of a lean.
    segments
        Flexion of the lumbar joints relative to each other.
    """

    lumbopelvic: _Lumbopelvic
    segments: _SegmentFlexion

    @cached_property
    def shares(self) -> dict[str, float]:
        """Part of each disc in the lumbar flexion, by level from above; sum 1."""
        total = sum(self.segments.flexion_deg.values())
        return {level: self.segments.flexion_deg[level] / total for level in LEVELS}

    @cached_property
    def lumbar_share(self) -> float:
        """Lumbar part of a lean of 60°, the task of Hess et al. 2023."""
        return self.lumbar_deg(60.0) / 60.0

    def lumbar_deg(self, trunk_deg: float) -> float:
        """Lumbar flexion in a lean of the trunk; the rest is the hips'.

        A parabola from upright standing through early and full bending of the source (its top,
        at 107°, is less than 0.1° above full bending); as there beyond, and straight on backward.

        Parameters
        ----------
        trunk_deg
            Of the thorax from upright standing, forward positive.
        """
        early, full = self.lumbopelvic.early_trunk_deg, self.lumbopelvic.full_trunk_deg
        slope = self.lumbopelvic.early_lumbar_deg / early
        bend = (slope - self.lumbopelvic.full_lumbar_deg / full) / (full - early)
        lean = min(max(trunk_deg, 0.0), full)
        bent = (slope + bend * early) * lean - bend * lean**2
        return bent + (slope + bend * early) * min(trunk_deg, 0.0)

    @property
    def sentence(self) -> str:
        """The rule in words."""
        return (
            "Hips and lumbar spine share the lean as people do on average (after Esola et al. "
            "1996); the discs share the lumbar part by their flexibility (after Yamamoto et al. "
            "1989)."
        )


Table = TypeVar("Table", bound=Strict)


class _Sources(Strict):
    sources: Mapping[str, Source]


def _read(name: str) -> dict[str, object]:
    return tomllib.loads((_DATA / name).read_text("utf-8"))


def parsed(kind: type[Table], content: object, where: str) -> Table:
    """Check a table's content.

    Raises
    ------
    OptionError
        A key is unknown or missing, or a value is not what it must be.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise OptionError(f"{where}: {at}: {first['msg']}") from error


@cache
def sources() -> Mapping[str, Source]:
    """What the tables' ``source`` keys mean."""
    return parsed(_Sources, {"sources": _read("sources.toml")}, "sources.toml").sources


@cache
def segments() -> Segments:
    """Masses of the body's segments."""
    return parsed(Segments, _read("segments.toml"), "segments.toml")


@cache
def skeleton() -> Skeleton:
    """Sizes, angles and landmarks of the bones."""
    return parsed(Skeleton, _read("skeleton.toml"), "skeleton.toml")


@cache
def stiffness() -> Stiffness:
    """Passive rotation of the discs."""
    return parsed(_StiffnessFile, _read("stiffness.toml"), "stiffness.toml").stiffness


@cache
def rhythm() -> Rhythm:
    """How a forward lean of the trunk is shared out."""
    return parsed(Rhythm, _read("rhythm.toml"), "rhythm.toml")
