from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Weighting
from openlumbar.core.volume import Volume
from openlumbar.phantom.acquire import cross_talk, mean_signal
from openlumbar.phantom.scene import GridSample
from openlumbar.phantom.tissue import SEQUENCES, Tissue, tissue_signals


def test_signal_is_that_of_a_spin_echo():
    sequence = replace(SEQUENCES[Weighting.T1], tr_ms=950.0, te_ms=42.0)
    # Muscle at 1.5 T has a T1 of 950 ms, a T2 of 42 ms and a proton density of 0.8.
    assert tissue_signals(sequence)[Tissue.MUSCLE] == pytest.approx(
        0.8 * (1 - np.exp(-1)) * np.exp(-1), rel=1e-5
    )


def test_contrasts_order_tissues_as_they_should():
    t1, t2, stir, saturated = (
        tissue_signals(SEQUENCES[w])
        for w in (Weighting.T1, Weighting.T2, Weighting.STIR, Weighting.T2_FAT_SAT)
    )
    assert t1[Tissue.FAT] > t1[Tissue.RED_MARROW] > t1[Tissue.MUSCLE] > t1[Tissue.CSF]
    assert t2[Tissue.CSF] > t2[Tissue.CORD] > t2[Tissue.MUSCLE] > t2[Tissue.CORTEX]
    for suppressed in (stir, saturated):
        assert suppressed[Tissue.FAT] < 0.2 * suppressed[Tissue.CSF]


def test_another_field_strength_is_refused():
    with pytest.raises(OptionError, match="field_t"):
        tissue_signals(replace(SEQUENCES[Weighting.T1], field_t=7.0))


def test_a_voxel_mixes_tissues_and_planes_by_their_parts():
    grid = Volume(np.zeros((1, 1, 1), np.uint8), np.eye(4))
    planes = np.array([Tissue.AIR, Tissue.FAT, Tissue.AIR], np.uint8).reshape(1, 3, 1, 1)
    sample = GridSample(
        grid,
        planes,
        np.full_like(planes, Tissue.CSF),
        np.array([0, 51, 0], np.uint8).reshape(1, 3, 1, 1),
        grid.array,
        grid.array,
        1.0,
    )
    signals = np.zeros(len(Tissue), np.float32)
    signals[Tissue.FAT], signals[Tissue.CSF] = 1.0, 0.5
    # The middle plane weighs 1 of 2.2; a fifth of it is CSF.
    expected = (0.8 * 1.0 + 0.2 * 0.5) / 2.2
    assert mean_signal(sample, signals)[0, 0, 0] == pytest.approx(expected, rel=1e-5)


def test_crossing_blocks_leave_a_dark_band_where_they_cross_and_nowhere_else():
    grid = Volume(np.zeros((1, 40, 8), np.uint8), np.diag([1.0, 1.0, 4.0, 1.0]))
    # Three slices of 4 mm across the rows, from y = 8 to y = 20.
    other = np.array([[1.0, 0, 0, 0], [0, 0, 4.0, 10.0], [0, -1.0, 0, 5.0], [0, 0, 0, 1.0]])
    left = cross_talk(grid, [Volume(np.zeros((3, 10, 8), np.uint8), other)])[0, :, 4]
    assert np.allclose(left[11:18], 0.4, atol=0.02)
    assert np.allclose(left[[0, 3, 26, 39]], 1.0, atol=0.01)
