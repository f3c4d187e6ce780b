from __future__ import annotations

import numpy as np
import pydicom
import pytest

from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Subject
from openlumbar.core.volume import Volume
from openlumbar.io.dicom_write import MrSeries, MrStudy, instance_uids, uid_of, write_mr_series

STUDY = MrStudy("test", "Test^Only", "T-1", Subject("F", 47.0, 1.65, 61.0), "Study")
SERIES = MrSeries(3, "axial T2", tr_ms=3500.0, te_ms=100.0, thickness_mm=3.5, ti_ms=165.0)


def oblique() -> Volume:
    """Four tilted slices of 6 rows and 5 columns with three different spacings."""
    angle = np.radians(25.0)
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = tilt * [0.7, 0.9, 4.1]
    affine[:3, 3] = [-31.5, 12.25, 7.125]
    return Volume(np.arange(120, dtype=np.float32).reshape(4, 6, 5), affine)


def test_geometry_and_pixels_come_back(tmp_path):
    volume = oblique()
    paths = write_mr_series([volume], SERIES, STUDY, tmp_path)
    datasets = [pydicom.dcmread(path) for path in paths]
    assert len(datasets) == 4
    for k, dataset in enumerate(datasets):
        row, column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, dataset.PixelSpacing)
        # PS3.3 C.7.6.2.1.1, Equation C.7.6.2.1-1, at column 2 of row 4.
        point = (
            np.array(dataset.ImagePositionPatient, float)
            + row * between_columns * 2
            + column * between_rows * 4
        )
        assert np.allclose(point, volume.to_patient((k, 4, 2)), atol=1e-6)
        assert np.array_equal(dataset.pixel_array, volume.array[k])
    assert float(datasets[0].SpacingBetweenSlices) == pytest.approx(4.1)
    assert float(datasets[0].SliceThickness) == 3.5
    assert float(datasets[0].InversionTime) == 165.0
    assert datasets[0].PatientAge == "047Y"


def test_instances_are_numbered_through_all_blocks(tmp_path):
    paths = write_mr_series([oblique(), oblique()], SERIES, STUDY, tmp_path)
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    assert [header.InstanceNumber for header in headers] == list(range(1, 9))
    assert tuple(header.SOPInstanceUID for header in headers) == instance_uids(8, SERIES, STUDY)
    assert len({header.SeriesInstanceUID for header in headers}) == 1


def test_uids_depend_on_their_parts_alone():
    assert uid_of(STUDY, "series", 1, 11) == uid_of(STUDY, "series", 1, 11)
    assert uid_of(STUDY, "series", 1, 11) != uid_of(STUDY, "series", 11, 1)


@pytest.mark.parametrize("value", [-1.0, 4096.0, np.nan])
def test_values_that_twelve_bits_cannot_hold_are_refused(tmp_path, value):
    volume = oblique()
    wrong = volume.with_array(np.full(volume.shape, value))
    with pytest.raises(OptionError, match="12 bits"):
        write_mr_series([wrong], SERIES, STUDY, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_series_without_a_block_is_refused(tmp_path):
    with pytest.raises(OptionError, match="no block"):
        write_mr_series([], SERIES, STUDY, tmp_path)
