"""What a phantom's spine is like: the parameters, and how they are drawn by chance.

All sizes are generic adult values chosen by us, not taken from a published table.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import OptionError
from openlumbar.phantom.muscle_specs import (
    MuscleOwner,
    MuscleRanges,
    MusclesSpec,
    sample_muscles,
)

#: Thoracic vertebrae that a phantom has; T5 is above any lumbar field of view.
THORACIC: tuple[str, ...] = tuple(f"T{n}" for n in range(5, 13))
SACRAL: tuple[str, ...] = ("S1", "S2", "S3", "S4", "S5")

#: Dark line between a labelled body and a labelled disc, mm: cortical and
#: cartilaginous endplate, which annotated masks leave out.
ENDPLATE_GAP_MM = 0.7

# Height, depth and width of a man's bodies, mm.
_SIZES: dict[str, tuple[float, float, float]] = {
    "T5": (18.5, 22.0, 25.0),
    "T6": (19.0, 24.0, 26.0),
    "T7": (19.5, 26.0, 27.5),
    "T8": (20.0, 27.0, 29.0),
    "T9": (21.0, 28.0, 31.0),
    "T10": (22.0, 29.0, 33.0),
    "T11": (23.0, 30.0, 36.0),
    "T12": (24.8, 31.0, 39.0),
    "L1": (26.5, 32.0, 42.0),
    "L2": (27.5, 33.0, 44.0),
    "L3": (28.0, 34.0, 46.0),
    "L4": (28.0, 35.0, 48.5),
    "L5": (27.5, 35.5, 51.0),
    "S1": (29.0, 30.0, 50.0),
    "S2": (24.0, 22.0, 38.0),
    "S3": (20.0, 15.0, 30.0),
    "S4": (17.0, 11.0, 25.0),
    "S5": (14.0, 8.0, 20.0),
}
_LUMBAR_PATTERN: dict[int, tuple[str, ...]] = {
    4: ("L1", "L2", "L4", "L5"),
    5: ("L1", "L2", "L3", "L4", "L5"),
    6: ("L1", "L2", "L3", "L4", "L4", "L5"),
}
# Rim heights of lumbar discs from the lowest upward, then T12-L1 and above, mm.
_LUMBAR_DISC_MM = (8.6, 9.2, 8.6, 7.6, 6.6, 6.2)
# Share of the disc part of the lordosis, from the lowest disc upward.
_LORDOSIS_SHARE = (0.30, 0.25, 0.20, 0.15, 0.10, 0.05)
# Lordotic wedge of lumbar bodies from the lowest upward, degrees.
_BODY_WEDGE_DEG = (8.0, 3.0, 0.5, -1.0, -2.0, -2.0)
# Width and depth of the sacral canal; length of spinous processes where it is not the usual.
_SACRAL_CANAL_MM = {"S1": 15.0, "S2": 12.0, "S3": 9.0, "S4": 6.0, "S5": 4.0}
_SPINOUS_MM = {"T11": 20.0, "T12": 22.0, "L5": 20.0, "S1": 11.0, "S2": 9.0}
_USUAL_SPINOUS_MM = {"T": 24.0, "L": 27.0, "S": 5.0}
# The sacrum first leans further back, then curves forward to the coccyx.
_SACRAL_WEDGE_DEG = {"S1": 12.0, "S2": 4.0, "S3": -8.0, "S4": -18.0, "S5": -20.0}


@dataclass(frozen=True)
class VertebraSpec:
    """Shape of one vertebra.

    Attributes
    ----------
    name
        ``T5`` … ``L5`` (or ``L4``, ``L6``), ``S1`` … ``S5``.
    height_mm, depth_mm, width_mm
        Mean rim height, midline depth at mid-height without the waist, and width.
    wedge_deg
        Angle between the endplates; positive when the front is higher.
    concavity_mm
        How far the centre of each endplate lies below its rim.
    waist
        Part by which the body is thinner at mid-height.
    canal_width_mm, canal_depth_mm
        Bony canal.
    spinous_mm
        Length of the spinous process behind the lamina.
    fracture
        ``none``, ``wedge``, ``biconcave`` or ``crush``.
    yellow
        Fat part of the marrow, 0 … 1.
    modic
        Fat-like change at the (upper, lower) endplate, 0 … 1.
    schmorl_mm
        Depth of a Schmorl node in the (upper, lower) endplate.
    haemangioma_mm
        Radius of a haemangioma; 0 for none.
    taper
        By how much more the upper end is deep than the lower, as part of the depth.
    """

    name: str
    height_mm: float
    depth_mm: float
    width_mm: float
    wedge_deg: float
    concavity_mm: float
    waist: float
    canal_width_mm: float
    canal_depth_mm: float
    spinous_mm: float
    fracture: str = "none"
    yellow: float = 0.5
    modic: tuple[float, float] = (0.0, 0.0)
    schmorl_mm: tuple[float, float] = (0.0, 0.0)
    haemangioma_mm: float = 0.0
    taper: float = 0.0


@dataclass(frozen=True)
class DiscSpec:
    """Shape and state of one disc.

    Attributes
    ----------
    name
        ``L4-L5``.
    height_mm
        Between the rims of the endplates less both :data:`ENDPLATE_GAP_MM`, mid-depth.
    wedge_deg
        Angle between the endplates; positive when the front is higher.
    degeneration
        0 healthy … 1 black and narrow.
    bulge_mm
        Backward bulge over the endplate's rim.
    listhesis_mm
        Forward shift of the vertebra above.
    stenosis
        Part of the sac's depth lost at this disc.
    """

    name: str
    height_mm: float
    wedge_deg: float
    degeneration: float
    bulge_mm: float
    listhesis_mm: float = 0.0
    stenosis: float = 0.0


@dataclass(frozen=True)
class Anatomy:
    """One phantom's spine and body; everything that its pictures are made from.

    Attributes
    ----------
    vertebrae, discs
        From the head downward; ``discs[n]`` lies below ``vertebrae[n]``, down to S1-S2.
    sacral_slope_deg
        Forward tilt of the upper endplate of S1 against the axial plane.
    scoliosis_deg, scoliosis_phase
        Greatest lateral tilt, and where along the spine it lies (radian).
    rotation_deg
        Greatest axial rotation, which follows the lateral curve.
    sac_depth_mm, sac_width_mm
        Dural sac at L3.
    conus
        Where the cord ends, in vertebrae above (+) or below (-) the middle of L1.
    muscle_fat
        Fat part of muscle that is usual at the person's age, 0 … 1; ``muscles`` has the
        fat of each.
    subcutaneous_mm
        Fat behind the fascia at L3.
    epidural_fat_mm
        How much further the sac lies behind S1 than behind the vertebrae above.
    muscles
        Size, shape and fat of the paraspinal muscles.
    """

    sex: str
    age_years: float
    height_m: float
    mass_kg: float
    lumbar_count: int
    transition: str
    vertebrae: tuple[VertebraSpec, ...]
    discs: tuple[DiscSpec, ...]
    lordosis_deg: float
    sacral_slope_deg: float
    scoliosis_deg: float
    scoliosis_phase: float
    rotation_deg: float
    sac_depth_mm: float
    sac_width_mm: float
    conus: float
    muscle_fat: float
    subcutaneous_mm: float
    epidural_fat_mm: float
    muscles: MusclesSpec = field(default_factory=MusclesSpec)


@dataclass(frozen=True)
class AnatomyRanges:
    """Distributions that :func:`sample_anatomy` draws from.

    Attributes
    ----------
    age_years
        Least and greatest.
    lordosis_deg, sacral_slope_deg, scoliosis_deg
        Mean and standard deviation.
    p_scoliosis … p_modic
        Chances: of a scoliosis beyond the usual, of six or four lumbar vertebrae, of a
        transitional one; for each vertebra or disc of a fracture, a slip and so on.
    lumbar_count, transition
        A number of lumbar vertebrae, and ``none``, ``sacralised`` or ``lumbarised``, in
        place of chance.
    muscles
        Distributions of the muscles.
    """

    age_years: tuple[float, float] = (20.0, 88.0)
    lordosis_deg: tuple[float, float] = (45.0, 9.0)
    sacral_slope_deg: tuple[float, float] = (38.0, 5.0)
    scoliosis_deg: tuple[float, float] = (0.0, 3.0)
    p_scoliosis: float = 0.08
    p_six_lumbar: float = 0.05
    p_four_lumbar: float = 0.03
    p_sacralised: float = 0.04
    p_lumbarised: float = 0.04
    p_fracture: float = 0.02
    p_listhesis: float = 0.06
    p_stenosis: float = 0.12
    p_haemangioma: float = 0.06
    p_schmorl: float = 0.05
    p_modic: float = 0.25
    lumbar_count: int | None = None
    transition: str | None = None
    muscles: MuscleRanges = field(default_factory=MuscleRanges)


#: What training draws from: more of what is rare.
TRAINING_RANGES = AnatomyRanges(
    p_scoliosis=0.15, p_six_lumbar=0.06, p_four_lumbar=0.06, p_fracture=0.05
)


def _lumbar_count(rng: np.random.Generator, ranges: AnatomyRanges) -> int:
    draw = rng.random()
    if ranges.lumbar_count is not None:
        if ranges.lumbar_count not in _LUMBAR_PATTERN:
            raise OptionError(f"lumbar_count is {ranges.lumbar_count}; it must be 4, 5 or 6")
        return ranges.lumbar_count
    if draw < ranges.p_six_lumbar:
        return 6
    return 4 if draw < ranges.p_six_lumbar + ranges.p_four_lumbar else 5


def _transition(rng: np.random.Generator, ranges: AnatomyRanges, lumbar_count: int) -> str:
    draw = rng.random()
    if ranges.transition is not None:
        if ranges.transition not in ("none", "sacralised", "lumbarised"):
            raise OptionError(
                f"transition is {ranges.transition!r}; it must be none, sacralised or lumbarised"
            )
        return ranges.transition
    if lumbar_count != 5:
        return "none"
    if draw < ranges.p_sacralised:
        return "sacralised"
    return "lumbarised" if draw < ranges.p_sacralised + ranges.p_lumbarised else "none"


@dataclass(frozen=True)
class _Person:
    sex: str
    age_years: float
    height_m: float
    mass_kg: float

    @property
    def scale(self) -> float:
        """Of lengths against the man's of :data:`_SIZES`."""
        return (0.93 if self.sex == "F" else 1.0) * (self.height_m / 1.72) ** 0.6

    @property
    def wear(self) -> float:
        """0 young … 1 old."""
        return float(np.clip((self.age_years - 25.0) / 55.0, 0.0, 1.0))


def _person(rng: np.random.Generator, ranges: AnatomyRanges) -> _Person:
    sex = "F" if rng.random() < 0.52 else "M"
    height = float(np.clip(rng.normal(1.64 if sex == "F" else 1.77, 0.07), 1.45, 2.0))
    index = float(np.clip(rng.normal(26.0, 4.0), 18.5, 40.0))
    return _Person(sex, float(rng.uniform(*ranges.age_years)), height, index * height**2)


def _fracture(rng: np.random.Generator, person: _Person, ranges: AnatomyRanges, name: str) -> str:
    draw, kind = rng.random(), str(rng.choice(["wedge", "biconcave", "crush"]))
    if name.startswith("S") or draw > ranges.p_fracture * (0.3 + 2.0 * person.wear):
        return "none"
    return kind


def _pair(
    rng: np.random.Generator, present: NDArray[np.bool_], span: tuple[float, float]
) -> tuple[float, float]:
    """A value by chance for the upper and the lower endplate; 0 where nothing is."""
    upper, lower = (float(rng.uniform(*span)) if there else 0.0 for there in present)
    return upper, lower


def _spinous(name: str) -> float:
    """Length of a man's spinous process behind the lamina, mm."""
    return _SPINOUS_MM.get(name, _USUAL_SPINOUS_MM[name[0]])


def _vertebra(
    rng: np.random.Generator, person: _Person, ranges: AnatomyRanges, name: str, pattern: str
) -> VertebraSpec:
    height, depth, width = (
        size * person.scale * rng.normal(1.0, sd)
        for size, sd in zip(_SIZES[pattern], (0.035, 0.03, 0.03), strict=True)
    )
    sacral, thoracic = name.startswith("S"), name.startswith("T")
    fracture = _fracture(rng, person, ranges, name)
    wedge = _SACRAL_WEDGE_DEG.get(name, -2.6 * thoracic) + rng.normal(0.0, 1.0)
    concavity = abs(rng.normal(1.1 + 0.9 * person.wear, 0.5))
    if fracture == "wedge":
        wedge -= rng.uniform(9, 17)
        height *= 0.83
    elif fracture == "biconcave":
        concavity = rng.uniform(3.5, 5.5)
    elif fracture == "crush":
        height *= rng.uniform(0.5, 0.65)
    if sacral:
        concavity = 0.2 + 0.4 * (name == "S1")
    chances = rng.random(4)
    modic = _pair(rng, chances[:2] < ranges.p_modic * person.wear, (0.3, 0.9))
    p_schmorl = 0.0 if sacral else ranges.p_schmorl
    schmorl = _pair(rng, rng.random(2) < p_schmorl, (2.0, 5.0))
    return VertebraSpec(
        name=name,
        height_mm=float(height),
        depth_mm=float(depth),
        width_mm=float(width),
        wedge_deg=float(wedge),
        concavity_mm=float(concavity),
        waist=float(rng.uniform(0.04, 0.10)) if not sacral else 0.03,
        canal_width_mm=_SACRAL_CANAL_MM.get(name, (19.0 if thoracic else 23.0) * person.scale),
        canal_depth_mm=_SACRAL_CANAL_MM.get(name, 18.5 * person.scale + rng.normal(0, 0.8)),
        spinous_mm=float(_spinous(pattern) * person.scale * rng.uniform(0.85, 1.15)),
        fracture=fracture,
        yellow=float(np.clip(rng.normal(0.35 + 0.3 * person.wear, 0.05), 0.15, 0.85)),
        modic=modic,
        schmorl_mm=schmorl,
        taper={"S1": 0.24, "S2": 0.25}.get(name, 0.2 * sacral),
        haemangioma_mm=float(rng.uniform(3, 8)) if chances[3] < ranges.p_haemangioma else 0.0,
    )


def _vertebrae(
    rng: np.random.Generator, person: _Person, ranges: AnatomyRanges, lumbar_count: int
) -> list[VertebraSpec]:
    """All vertebrae, from the head downward."""
    lumbar = tuple(f"L{n}" for n in range(1, lumbar_count + 1))
    names = (*THORACIC, *lumbar, *SACRAL)
    patterns = (*THORACIC, *_LUMBAR_PATTERN[lumbar_count], *SACRAL)
    vertebrae = [
        _vertebra(rng, person, ranges, name, pattern)
        for name, pattern in zip(names, patterns, strict=True)
    ]
    # The lumbar bodies' usual wedge, from the lowest upward.
    for step in range(lumbar_count):
        index = len(THORACIC) + lumbar_count - 1 - step
        spec = vertebrae[index]
        wedge = spec.wedge_deg + _BODY_WEDGE_DEG[step] * rng.uniform(0.7, 1.2)
        vertebrae[index] = replace(spec, wedge_deg=float(wedge))
    return vertebrae


@dataclass(frozen=True)
class _DiscPlan:
    """What all discs of one spine share."""

    names: tuple[str, ...]
    depths_mm: tuple[float, ...]
    disc_lordosis_deg: float
    transition: str


def _disc_height(plan: _DiscPlan, index: int, step: int) -> float:
    upper, lower = plan.names[index], plan.names[index + 1]
    if upper == "S1":
        return 6.0 if plan.transition == "lumbarised" else 2.6
    if lower == "S1" and plan.transition == "sacralised":
        return 3.0
    if upper.startswith("L"):
        return _LUMBAR_DISC_MM[step]
    return 5.4 if upper == "T12" else 4.0


def _disc(
    rng: np.random.Generator, person: _Person, ranges: AnatomyRanges, plan: _DiscPlan, index: int
) -> DiscSpec:
    upper, lower = plan.names[index], plan.names[index + 1]
    step = plan.names.index("S1") - 1 - index
    lumbar = upper.startswith("L")
    worn = person.wear * (1.15 if lumbar and step < 2 else 0.8)
    degeneration = float(np.clip(rng.normal(worn, 0.25), 0.0, 1.0))
    draws = rng.random(2)
    if upper == "S1" or (lower == "S1" and plan.transition == "sacralised"):
        degeneration, draws = max(degeneration, 0.7), np.ones(2)
    height = _disc_height(plan, index, step) * person.scale * rng.normal(1.0, 0.08)
    height *= 1.0 - 0.5 * max(degeneration - 0.35, 0.0) if lumbar else 1.0
    wedge = plan.disc_lordosis_deg * _LORDOSIS_SHARE[step] if lumbar else rng.normal(-0.8, 0.5)
    # The back of a disc stays open: at least 2 mm.
    limit = np.degrees(np.arctan(2.0 * max(height - 2.0, 0.2) / plan.depths_mm[index]))
    listhesis = rng.uniform(3.0, 9.0) if lumbar and draws[0] < ranges.p_listhesis else 0.0
    narrow = rng.uniform(0.2, 0.6) if lumbar and draws[1] < ranges.p_stenosis else 0.0
    return DiscSpec(
        name=f"{upper}-{lower}",
        height_mm=float(height),
        wedge_deg=float(np.clip(wedge, -limit, limit)),
        degeneration=degeneration,
        bulge_mm=float(rng.uniform(0.2, 1.0) + 2.0 * degeneration * rng.random() * lumbar),
        listhesis_mm=float(listhesis if draws[0] < 0.8 * ranges.p_listhesis else -0.6 * listhesis),
        stenosis=float(max(narrow, 0.15 * degeneration * lumbar)),
    )


def sample_anatomy(rng: np.random.Generator, ranges: AnatomyRanges | None = None) -> Anatomy:
    """Draw one spine.

    Parameters
    ----------
    rng
        Source of chance; the same state gives the same spine.
    ranges
        Distributions; the default is an adult clinical population as we imagine it.

    Raises
    ------
    OptionError
        ``ranges`` asks for a number of lumbar vertebrae or a transition that cannot be.
    """
    ranges = ranges or AnatomyRanges()
    person = _person(rng, ranges)
    count = _lumbar_count(rng, ranges)
    transition = _transition(rng, ranges, count)
    vertebrae = _vertebrae(rng, person, ranges, count)
    lordosis = float(np.clip(rng.normal(*ranges.lordosis_deg), 15, 70))
    slope = rng.normal(*ranges.sacral_slope_deg) + 0.4 * (lordosis - ranges.lordosis_deg[0])
    first, sacral = len(THORACIC), len(THORACIC) + count
    bodies = sum(spec.wedge_deg for spec in vertebrae[first:sacral])
    plan = _DiscPlan(
        names=tuple(spec.name for spec in vertebrae),
        depths_mm=tuple(spec.depth_mm for spec in vertebrae),
        disc_lordosis_deg=max(lordosis - bodies, 5.0),
        transition=transition,
    )
    discs = [_disc(rng, person, ranges, plan, index) for index in range(sacral + 1)]
    scoliosis = rng.normal(*ranges.scoliosis_deg)
    if rng.random() < ranges.p_scoliosis:
        scoliosis = float(rng.choice([-1, 1]) * rng.uniform(8, 16))
    spine = Anatomy(
        sex=person.sex,
        age_years=person.age_years,
        height_m=person.height_m,
        mass_kg=person.mass_kg,
        lumbar_count=count,
        transition=transition,
        vertebrae=tuple(vertebrae),
        discs=tuple(discs),
        lordosis_deg=float(bodies + sum(disc.wedge_deg for disc in discs[first:sacral])),
        sacral_slope_deg=float(np.clip(slope, 18, 60)),
        scoliosis_deg=float(scoliosis),
        scoliosis_phase=float(rng.uniform(0, 2 * np.pi)),
        rotation_deg=float(0.5 * scoliosis * rng.uniform(0.3, 1.0)),
        sac_depth_mm=float(np.clip(rng.normal(14.5 * person.scale, 1.2), 11, 18)),
        sac_width_mm=float(np.clip(rng.normal(18.0 * person.scale, 1.3), 13, 22)),
        conus=float(rng.normal(0.0, 0.6)),
        muscle_fat=float(np.clip(rng.normal(0.08 + 0.25 * person.wear, 0.07), 0.02, 0.6)),
        subcutaneous_mm=float(
            np.clip(rng.normal(0.9 * (person.mass_kg / person.height_m**2 - 14), 3), 4, 35)
        ),
        epidural_fat_mm=float(rng.uniform(2.0, 5.0)),
    )
    # A generator of its own, so that what is drawn for muscles leaves spines as they are.
    child = np.random.default_rng(rng.integers(2**63))
    index = person.mass_kg / person.height_m**2
    owner = MuscleOwner(person.sex, person.wear, index, spine.muscle_fat)
    return replace(spine, muscles=sample_muscles(child, owner, ranges.muscles))


def neighbours(anatomy: Anatomy) -> tuple[tuple[VertebraSpec, DiscSpec, VertebraSpec], ...]:
    """Each disc between the vertebra above and the one below, from the head downward."""
    pairs = itertools.pairwise(anatomy.vertebrae)
    return tuple((a, disc, b) for disc, (a, b) in zip(anatomy.discs, pairs, strict=False))
