import numpy as np
import pydicom
import pytest

from openlumbar import read_exam
from openlumbar.core.anatomy import STRUCTURES
from openlumbar.core.errors import InputError, UnreadableError
from openlumbar.core.run import Run
from openlumbar.imaging.grids import place_labels
from openlumbar.io.dicom_result import ResultSeries
from openlumbar.io.dicom_seg import LabelMap, make_segmentation
from openlumbar.io.dicom_seg_read import read_segmentation
from openlumbar.io.dicom_source import read_sources

SERIES = ResultSeries("2.25.77", 101, "anatomy")


@pytest.fixture(scope="module")
def block(painted_dicom):
    """The sagittal block of the exam, and where its slices came from."""
    series = next(one for one in read_exam(painted_dicom).series if one.plane == "sagittal")
    sources = read_sources([painted_dicom], {series.name: series.blocks[0].instances})
    return series.blocks[0], sources[series.name]


@pytest.fixture
def write(block, tmp_path):
    """Write codes of the block as a segmentation, after an edit of its data set."""

    def written(codes, bodies=False, edit=lambda dataset: None):
        labels = LabelMap(codes, block[0].instances, bodies)
        dataset = make_segmentation(labels, block[1], SERIES, Run("0")).dataset
        edit(dataset)
        path = tmp_path / "seg.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return written


@pytest.fixture
def every_code(block):
    """Each structure once, unlike on every slice, none on the last."""
    codes = np.zeros(block[0].volume.shape, np.uint16)
    for number, structure in enumerate(STRUCTURES):
        codes[number % (len(codes) - 1), 3 * number : 3 * number + 2, 5:9] = structure.code
    return codes


@pytest.mark.parametrize("bodies", [False, True])
def test_every_structure_comes_back_at_its_place(write, every_code, block, bodies):
    if bodies:
        vertebrae = [one.code for one in STRUCTURES if one.kind == "vertebra"]
        every_code = np.where(np.isin(every_code, vertebrae), every_code, 0)
    volume, notes = read_segmentation(write(every_code, bodies))
    assert notes == ()
    assert volume.array.dtype == np.uint16
    placed = place_labels(volume, block[0].volume)
    assert placed.same_grid
    assert placed.inside == 1
    assert np.array_equal(placed.labels.array, every_code)


def test_a_segment_is_known_by_its_concept_whatever_its_label(write, every_code, block):
    def rename(dataset):
        for number, segment in enumerate(dataset.SegmentSequence):
            if "unknown" not in segment.SegmentLabel:
                segment.SegmentLabel = f"Segment_{number}"

    placed = place_labels(read_segmentation(write(every_code, edit=rename))[0], block[0].volume)
    assert np.array_equal(placed.labels.array, every_code)


def test_a_segment_of_another_kind_is_left_out_and_named(write, every_code, block):
    def strange(dataset):
        for segment in dataset.SegmentSequence:
            if segment.SegmentLabel == "L4 vertebra":
                segment.SegmentLabel = "Ilium"
                segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "22356005"

    volume, notes = read_segmentation(write(every_code, edit=strange))
    assert notes == ("left out: segments that have no code here (Ilium)",)
    placed = place_labels(volume, block[0].volume).labels.array
    assert np.array_equal(placed, np.where(every_code == 44, 0, every_code))


def test_nothing_known_is_an_error(write, block):
    def strange(dataset):
        dataset.SegmentSequence[0].SegmentLabel = "Ilium"
        dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue = "22356005"

    codes = np.zeros(block[0].volume.shape, np.uint16)
    codes[2, 5:20, 5:20] = 44
    with pytest.raises(InputError, match="Ilium"):
        read_segmentation(write(codes, edit=strange))


def test_what_is_no_segmentation_is_refused(painted_dicom, tmp_path, write, every_code):
    (tmp_path / "notes.dcm").write_text("no picture")
    image = next(painted_dicom.rglob("*.dcm"))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(write(every_code).read_bytes()[:3000])
    assert pydicom.dcmread(image).Modality == "MR"
    for path in (tmp_path / "notes.dcm", image, cut, tmp_path / "absent.dcm"):
        with pytest.raises(UnreadableError, match=path.name):
            read_segmentation(path)
