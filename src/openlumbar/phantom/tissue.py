"""What tissues look like in MR: generic relaxation times and the spin-echo signal.

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
    Tissue.ANNULUS: _Relaxation(900, 1100, 34, 0.62, 0.0),
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
    """A spin-echo sequence.

    Attributes
    ----------
    ti_ms
        Inversion time; 0 without inversion.
    field_t
        1.5 or 3.
    fat_saturated
        Chemical fat suppression.
    """

    weighting: Weighting
    tr_ms: float
    te_ms: float
    ti_ms: float = 0.0
    field_t: float = 1.5
    fat_saturated: bool = False
    echo_train: int = 15


SEQUENCES: dict[Weighting, Sequence] = {
    Weighting.T1: Sequence(Weighting.T1, 580.0, 11.0, echo_train=4),
    Weighting.T2: Sequence(Weighting.T2, 3600.0, 105.0),
    Weighting.PD: Sequence(Weighting.PD, 2800.0, 28.0),
    Weighting.STIR: Sequence(Weighting.STIR, 4200.0, 62.0, ti_ms=165.0),
    Weighting.T2_FAT_SAT: Sequence(Weighting.T2_FAT_SAT, 3600.0, 80.0, fat_saturated=True),
}


def tissue_signals(sequence: Sequence) -> NDArray[np.float32]:
    """Signal of every tissue, indexed by :class:`Tissue`, 0 … about 1.

    Magnitude of a spin echo, ``PD (1 - exp(-TR/T1)) exp(-TE/T2)``, with
    ``1 - 2 exp(-TI/T1) + exp(-TR/T1)`` in place of the bracket after an inversion.

    Raises
    ------
    OptionError
        The field strength is neither 1.5 nor 3 T.
    """
    if sequence.field_t not in (1.5, 3.0):
        raise OptionError(f"field_t is {sequence.field_t}; it must be 1.5 or 3.0")
    rows = [_TABLE[tissue] for tissue in Tissue]
    t1_15, t1_30, t2, density, fat = np.array(rows, dtype=np.float64).T
    t1 = t1_15 if sequence.field_t == 1.5 else t1_30
    recovery = 1 - np.exp(-sequence.tr_ms / t1)
    if sequence.ti_ms > 0:
        recovery = 1 - 2 * np.exp(-sequence.ti_ms / t1) + np.exp(-sequence.tr_ms / t1)
    signal = np.abs(density * recovery * np.exp(-sequence.te_ms / t2))
    if sequence.fat_saturated:
        signal = signal * (1 - 0.92 * fat)
    return signal.astype(np.float32)


def fat_share() -> NDArray[np.float32]:
    """Part of each tissue's signal that is fat's, 0 … 1, indexed by :class:`Tissue`."""
    return np.array([_TABLE[tissue].fat for tissue in Tissue], np.float32)


def random_signals(rng: np.random.Generator) -> NDArray[np.float32]:
    """A made-up contrast: every tissue between black and white; air stays black."""
    signal = rng.uniform(0.03, 1.0, len(Tissue))
    signal[Tissue.AIR] = 0.0
    signal[Tissue.CORTEX] *= 0.4
    return signal.astype(np.float32)
