"""What tissues look like in MR: generic relaxation times, spin- and gradient-echo signal.

The times are round, generic values of the usual order at 1.5 and 3 T, chosen by us to
give pictures of the usual look; none is quoted from a source, and none should be used
as a reference value. The T2 of fat is the longer apparent one of fast spin echo trains.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Weighting


class Tissue(IntEnum):
    """What a point of the phantom is made of."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    CORTEX = 4
    RED_MARROW = 5
    YELLOW_MARROW = 6
    ANNULUS = 7
    NUCLEUS = 8
    CSF = 9
    CORD = 10
    NERVE = 11
    LIGAMENT = 12
    VESSEL = 13
    VEIN = 14
    BOWEL = 15
    FLUID = 16
    ORGAN = 17
    #: In no picture yet; made-up contrasts would draw otherwise without it.
    OEDEMA = 18
    CARTILAGE = 19


class _Relaxation(NamedTuple):
    t1_15_ms: float
    t1_30_ms: float
    t2_ms: float
    proton_density: float
    fat: float


_TABLE: dict[Tissue, _Relaxation] = {
    Tissue.AIR: _Relaxation(1000, 1000, 50, 0.0, 0.0),
    Tissue.SKIN: _Relaxation(600, 750, 35, 0.6, 0.0),
    Tissue.FAT: _Relaxation(270, 370, 125, 0.95, 1.0),
    Tissue.MUSCLE: _Relaxation(950, 1350, 42, 0.80, 0.0),
    Tissue.CORTEX: _Relaxation(500, 600, 8, 0.12, 0.0),
    Tissue.RED_MARROW: _Relaxation(750, 950, 55, 0.70, 0.2),
    Tissue.YELLOW_MARROW: _Relaxation(290, 390, 105, 0.80, 0.95),
    Tissue.ANNULUS: _Relaxation(900, 1100, 39, 0.64, 0.0),
    Tissue.NUCLEUS: _Relaxation(1050, 1300, 135, 0.92, 0.0),
    Tissue.CSF: _Relaxation(3800, 4200, 1200, 1.0, 0.0),
    Tissue.CORD: _Relaxation(800, 950, 82, 0.78, 0.0),
    Tissue.NERVE: _Relaxation(900, 1050, 75, 0.76, 0.0),
    Tissue.LIGAMENT: _Relaxation(700, 850, 22, 0.40, 0.0),
    Tissue.VESSEL: _Relaxation(1500, 1800, 20, 0.15, 0.0),
    Tissue.VEIN: _Relaxation(1300, 1600, 130, 0.85, 0.0),
    Tissue.BOWEL: _Relaxation(900, 1150, 58, 0.75, 0.0),
    Tissue.FLUID: _Relaxation(2300, 2600, 220, 0.9, 0.0),
    Tissue.ORGAN: _Relaxation(620, 780, 48, 0.75, 0.0),
    Tissue.OEDEMA: _Relaxation(1000, 1250, 85, 0.85, 0.0),
    Tissue.CARTILAGE: _Relaxation(1000, 1200, 40, 0.70, 0.0),
}


@dataclass(frozen=True)
class Sequence:
    """A spin-echo or a spoiled gradient-echo sequence.

    Attributes
    ----------
    ti_ms
        Inversion time; 0 without inversion.
    field_t
        0.2 to 3.
    fat_saturated
        Chemical fat suppression.
    flip_deg
        Of a gradient echo; 0 stands for a spin echo.
    chemical
        What becomes of water and fat: a key of :data:`CHEMICAL`.
    """

    weighting: Weighting
    tr_ms: float
    te_ms: float
    ti_ms: float = 0.0
    field_t: float = 1.5
    fat_saturated: bool = False
    echo_train: int = 15
    flip_deg: float = 0.0
    chemical: str = "in phase"


SEQUENCES: dict[Weighting, Sequence] = {
    Weighting.T1: Sequence(Weighting.T1, 580.0, 11.0, echo_train=4),
    Weighting.T2: Sequence(Weighting.T2, 3600.0, 105.0),
    Weighting.PD: Sequence(Weighting.PD, 2800.0, 28.0),
    Weighting.STIR: Sequence(Weighting.STIR, 4200.0, 62.0, ti_ms=165.0),
    Weighting.T2_FAT_SAT: Sequence(Weighting.T2_FAT_SAT, 3600.0, 80.0, fat_saturated=True),
    Weighting.T1_FAT_SAT: Sequence(
        Weighting.T1_FAT_SAT, 580.0, 11.0, echo_train=4, fat_saturated=True
    ),
    Weighting.T2_STAR: Sequence(Weighting.T2_STAR, 650.0, 16.0, echo_train=1, flip_deg=28.0),
}

#: What is left of water and of fat: all of both, one alone (Dixon), or fat against water.
CHEMICAL: dict[str, tuple[float, float]] = {
    "in phase": (1.0, 1.0),
    "water": (1.0, 0.03),
    "fat": (0.03, 1.0),
    "opposed": (1.0, -1.0),
}

# T2' of a gradient echo at 1.5 T, ms: short within trabecular bone.
_T2_PRIME_MS = 55.0
_T2_PRIME_MARROW_MS = 14.0
_MARROW = (Tissue.RED_MARROW, Tissue.YELLOW_MARROW, Tissue.CORTEX)


def tissue_signals(sequence: Sequence) -> NDArray[np.float32]:
    """Signal of every tissue, indexed by :class:`Tissue`, 0 … about 1.

    Magnitude of a spin echo, ``PD (1 - exp(-TR/T1)) exp(-TE/T2)``, with
    ``1 - 2 exp(-TI/T1) + exp(-TR/T1)`` in place of the bracket after an inversion; of a
    spoiled gradient echo, ``PD sin a (1 - E) / (1 - E cos a) exp(-TE/T2*)`` with
    ``E = exp(-TR/T1)``. Below zero where fat opposes water.

    Raises
    ------
    OptionError
        The field strength lies outside of 0.2 … 3 T, or ``chemical`` is unknown.
    """
    if not 0.2 <= sequence.field_t <= 3.0:
        raise OptionError(f"field_t is {sequence.field_t}; it must be 0.2 to 3.0")
    if sequence.chemical not in CHEMICAL:
        raise OptionError(
            f"chemical is {sequence.chemical!r}; choose among {', '.join(map(repr, CHEMICAL))}"
        )
    rows = [_TABLE[tissue] for tissue in Tissue]
    t1_15, t1_30, t2, density, fat = np.array(rows, dtype=np.float64).T
    # A power law of the field through the two values that the table has.
    t1 = t1_15 * (t1_30 / t1_15) ** np.log2(sequence.field_t / 1.5)
    echo = _gradient_echo if sequence.flip_deg > 0 else _spin_echo
    signal = np.abs(density * echo(sequence, t1, t2))
    if sequence.fat_saturated:
        signal = signal * (1 - 0.92 * fat)
    water_left, fat_left = CHEMICAL[sequence.chemical]
    return (signal * ((1 - fat) * water_left + fat * fat_left)).astype(np.float32)


def _spin_echo(
    sequence: Sequence, t1: NDArray[np.float64], t2: NDArray[np.float64]
) -> NDArray[np.float64]:
    recovery = 1 - np.exp(-sequence.tr_ms / t1)
    if sequence.ti_ms > 0:
        recovery = 1 - 2 * np.exp(-sequence.ti_ms / t1) + np.exp(-sequence.tr_ms / t1)
    return recovery * np.exp(-sequence.te_ms / t2)


def _gradient_echo(
    sequence: Sequence, t1: NDArray[np.float64], t2: NDArray[np.float64]
) -> NDArray[np.float64]:
    prime = np.full(len(Tissue), _T2_PRIME_MS)
    prime[list(_MARROW)] = _T2_PRIME_MARROW_MS
    rate = 1 / t2 + sequence.field_t / 1.5 / prime
    kept, flip = np.exp(-sequence.tr_ms / t1), np.radians(sequence.flip_deg)
    return np.sin(flip) * (1 - kept) / (1 - kept * np.cos(flip)) * np.exp(-sequence.te_ms * rate)


def fat_share() -> NDArray[np.float32]:
    """Part of each tissue's signal that is fat's, 0 … 1, indexed by :class:`Tissue`."""
    return np.array([_TABLE[tissue].fat for tissue in Tissue], np.float32)


def random_signals(rng: np.random.Generator) -> NDArray[np.float32]:
    """A made-up contrast: every tissue between black and white; air stays black."""
    signal = rng.uniform(0.03, 1.0, len(Tissue))
    signal[Tissue.AIR] = 0.0
    signal[Tissue.CORTEX] *= 0.4
    return signal.astype(np.float32)
