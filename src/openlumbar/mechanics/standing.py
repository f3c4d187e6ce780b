"""From the spine lying in the scanner to the spine standing upright: a stated rule.

What was read (abstracts; standing less supine):

=========================  ===  =====================  =================
source                     n    lordosis L1-S1, deg    sacral slope, deg
=========================  ===  =====================  =================
Benditz et al. 2017        63   45.0 - 47.9 = -2.9     not given
Fan et al. 2023            64   about 0                -2
Chevillotte et al. 2018    15   54.8 - 50.2 = +4.6     37.1 - 41 = -3.9
=========================  ===  =====================  =================

Not counted is Yukawa et al. 2019 (627 people, T12 to S1, 49.8 - 36.8 = +13.0): the abstract says
"recumbent", and neither whether on the back nor how the legs lay.

The lordosis changes in neither direction throughout (-0.8 weighted by n), so the rule leaves
the curvature as imaged; the sacrum stands steeper throughout (-2.4 weighted by n), so the pelvis
and the lumbar spine on it are turned backward as one by that much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from openlumbar.core.loads import Origin, Provenance
from openlumbar.mechanics.model import Array
from openlumbar.mechanics.spine import GROUND_IN_LPS, MeasuredSpine
from openlumbar.mechanics.spine_readings import ELEMENTS, VERTEBRAE

#: Discs that share a change of the lordosis from L1 to S1, from below.
_BENT = ("L5-S1", "L4-L5", "L3-L4", "L2-L3", "L1-L2")

SOURCE = (
    "Benditz et al. 2017 (10.1055/s-0042-120112), Fan et al. 2023 (10.3389/fsurg.2023.1103952), "
    "Chevillotte et al. 2018 (10.1016/j.otsr.2018.06.005): abstracts read, weighted by their n"
)

_UNIMAGED = (
    "The thorax was not imaged: it stands upright on T12, generic and rigid; so the pelvis "
    "stands below S1's upper endplate.",
)


@dataclass(frozen=True)
class StandingRule:
    """How a supine spine is made to stand.

    Attributes
    ----------
    lordosis_change_deg
        Added to the angle between L1 and S1, in equal parts at the five discs from L1-L2
        down. Not to a spine that is the base model's, which stands already.
    slope_change_deg
        Added to the sacral slope: pelvis and spine turn about the middle of S1's upper
        endplate as one, forward when positive. Not to the base model's spine.
    lordosis_sd_deg, slope_sd_deg
        One standard deviation of each among people. The lordosis' is ours: between 4.4, which
        the median deviation of 3 degrees in Andreasen et al. 2007 (22 patients with legs
        straight) means if errors are normal, and 8.9, which the deviations 10.8 and 9.2 and the
        correlation 0.61 of Benditz et al. 2017 leave, both methods' reading errors
        included. The slope's is ours as well; Pan et al. 2021 saw it change by about 3 in one
        minute of standing.
    lordosis_deviation_deg, slope_deviation_deg
        What :meth:`perturbed` adds, to any spine.
    source
        Of the two changes.
    """

    lordosis_change_deg: float = 0.0
    slope_change_deg: float = -2.4
    lordosis_sd_deg: float = 6.0
    slope_sd_deg: float = 4.0
    lordosis_deviation_deg: float = 0.0
    slope_deviation_deg: float = 0.0
    source: str = SOURCE

    def perturbed(self, rng: np.random.Generator) -> StandingRule:
        """The rule as it may be for one person: both changes off by normal deviates."""
        lordosis, slope = rng.standard_normal(2)
        return replace(
            self,
            lordosis_deviation_deg=self.lordosis_sd_deg * float(lordosis),
            slope_deviation_deg=self.slope_sd_deg * float(slope),
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the rule does, for a person."""
        change, slope = (
            f"{angle:+.1f}°".replace("-", "−")
            for angle in (self.lordosis_change_deg, self.slope_change_deg)
        )
        curve = f"with {change} of lordosis, L1 to S1" if self.lordosis_change_deg else "as imaged"
        return (
            "The exam is held to have been made supine, lying down. The model stands with the "
            f"lumbar curvature {curve} (one standard deviation {self.lordosis_sd_deg:g}°), and the "
            f"sacral slope as imaged with {slope} ({self.slope_sd_deg:g}°); "
            "the patient's head-foot axis became vertical.",
            *_UNIMAGED,
        )


#: What is used.
RULE = StandingRule()


@dataclass(frozen=True, eq=False)
class StandingSpine:
    """The spine standing: ground frame, metres, S1's upper endplate at the origin.

    Attributes
    ----------
    places
        ``[4, 4]`` to ground by name (T12, T12-L1 … S1): columns x forward, y up, z right of
        the vertebra or disc, and its middle.
    sizes_m
        Height and depth of the body by name, L1 to L5.
    rule
        By which it stands.
    flags, notes
        Of the measured spine, and what the rule says.
    provenance
        Of the measured spine, the rule, and what stands on and below the spine.
    """

    places: Mapping[str, Array]
    sizes_m: Mapping[str, tuple[float, float]]
    rule: StandingRule = RULE
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: tuple[Provenance, ...] = ()

    @property
    def sacral_slope_deg(self) -> float:
        """Of S1's upper endplate to the horizontal, standing."""
        axis = self.places["S1"][:3, 0]
        return float(np.degrees(np.arctan2(-axis[1], axis[0])))


def standing_spine(spine: MeasuredSpine, rule: StandingRule = RULE) -> StandingSpine:
    """Stand a supine spine up.

    The patient's long axis (LPS superior) becomes vertical and the middle of S1's upper
    endplate the origin; then the rule's changes are made.

    Parameters
    ----------
    spine
        As imaged, LPS mm.
    rule
        Of the changes.
    """
    middles = (spine.middles_mm - spine.middles_mm[-1]) @ GROUND_IN_LPS / 1000
    axes = GROUND_IN_LPS.T @ spine.axes
    changes = (rule.slope_change_deg, rule.lordosis_change_deg) if spine.measured else (0.0, 0.0)
    slope = changes[0] + rule.slope_deviation_deg
    lordosis = changes[1] + rule.lordosis_deviation_deg
    if slope:
        turn = _forward(slope)
        middles, axes = middles @ turn.T, turn @ axes
    if lordosis:
        middles, axes = _bent(middles, axes, lordosis)
    places = np.tile(np.eye(4), (len(ELEMENTS), 1, 1))
    places[:, :3, :3], places[:, :3, 3] = axes, middles
    sizes = {
        name: (spine.frames[name].height_mm / 1000, spine.frames[name].depth_mm / 1000)
        for name in VERTEBRAE[1:-1]
    }
    return StandingSpine(
        dict(zip(ELEMENTS, places, strict=True)),
        sizes,
        rule,
        spine.flags,
        (*spine.notes, *(rule.sentences if spine.measured else _UNIMAGED)),
        (*spine.provenance, *_provenance(rule, spine.measured)),
    )


def _provenance(rule: StandingRule, measured: bool) -> tuple[Provenance, ...]:
    source = f"supine to standing: {rule.source}" if measured else "the base model's"
    changes = (
        ("change of the lordosis", "L1-S1", rule.lordosis_change_deg, rule.lordosis_sd_deg),
        ("change of the sacral slope", "S1", rule.slope_change_deg, rule.slope_sd_deg),
    )
    rows = [
        Provenance(
            what,
            level,
            Origin.GENERIC,
            level,
            value=value if measured else 0.0,
            uncertainty=spread,
            unit="deg",
            note=source,
        )
        for what, level, value, spread in changes
    ]
    rows += [
        Provenance("shape and posture", body, Origin.GENERIC, note="upright; not imaged")
        for body in ("thorax", "pelvis")
    ]
    return tuple(rows)


def _forward(degrees: float) -> Array:
    """``[3, 3]``: forward flexion, about the axis to the left."""
    a = np.radians(degrees)
    return np.array([[np.cos(a), np.sin(a), 0.0], [-np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])


def _bent(middles: Array, axes: Array, lordosis_deg: float) -> tuple[Array, Array]:
    """More lordosis: at each disc what lies above is turned back; the disc itself by half."""
    middles, axes = middles.copy(), axes.copy()
    part = -lordosis_deg / len(_BENT)
    whole, half = _forward(part), _forward(part / 2)
    for name in _BENT:
        n = ELEMENTS.index(name)
        axes[n] = half @ axes[n]
        middles[:n] = middles[n] + (middles[:n] - middles[n]) @ whole.T
        axes[:n] = whole @ axes[:n]
    return middles, axes
