import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import openlumbar
from openlumbar.core import anatomy
from openlumbar.core.errors import OptionError, StageError
from openlumbar.core.exam import Exam
from openlumbar.core.plane import Plane
from openlumbar.core.run import peak_memory_mb
from openlumbar.core.volume import Volume
from openlumbar.exam import ReadOptions
from openlumbar.io.analysis import Analysis
from openlumbar.models import load_model
from openlumbar.phantom import write_phantom
from openlumbar.pipeline import AnalyzeOptions, Stages, analyze, analyze_files, write_results
from support_models import Undecided
from support_results import complaints


@pytest.fixture(scope="module")
def analysis(painted_exam, predictor, axial_predictor):
    options = AnalyzeOptions(predictor, axial_predictor, Undecided(), axial_predictor)
    return analyze(painted_exam, options)


class BrokenPredictor:
    """Fails on the first picture with an error that quotes what it must not."""

    def __init__(self, predictor, error):
        self.card, self.error = predictor.card, error

    def predict(self, images):
        raise self.error


def test_the_anatomy_is_named_as_the_phantom_is(analysis, phantom):
    truth = {level.name: level for level in phantom.truth.levels}
    lumbar = {f"L{n}" for n in range(1, 6)} & set(truth)
    found = {row.level: row for row in analysis.levels.rows if row.structure == "vertebra"}
    assert len(lumbar) >= 4
    assert lumbar <= set(found)
    for name in lumbar:
        row = found[name]
        # Half a slice distance across, and less than that within the plane.
        distance = np.subtract((row.x_mm, row.y_mm, row.z_mm), truth[name].centroid_mm)
        assert np.linalg.norm(distance) < 4.0, name


def test_masks_lie_on_their_images(analysis):
    masks, axial = analysis.masks.series
    series = next(series for series in analysis.exam.series if series.name == masks.series)
    assert not any(labels.array.any() for labels in axial.labels)
    for labels, bodies, block in zip(masks.labels, masks.bodies, series.blocks, strict=True):
        assert labels.shape == bodies.shape == block.volume.shape
        np.testing.assert_array_equal(labels.affine, block.volume.affine)
        assert set(np.unique(labels.array)) - {0} <= set(anatomy.BY_CODE)


def test_slices_that_show_nothing_have_a_row_that_says_so_and_no_number(analysis):
    assert analysis.failures == ()
    (axial,) = analysis.exam.of_plane(Plane.AXIAL)
    rows = [row for row in analysis.levels.rows if row.structure == "slice"]
    assert [(row.series, row.block, row.slice) for row in rows] == [
        (axial.name, block, k) for block in (0, 1) for k in (0, 1)
    ]
    assert {row.flags for row in rows} == {("not-an-axial-lumbar-slice",)}
    assert not [m for m in analysis.measurements if m.series == axial.name]


def test_the_run_says_what_made_it(analysis):
    assert [(w.name, w.sha256) for w in analysis.run.weights] == [
        ("painted", "0" * 64),
        ("blind", "0" * 64),
        ("blind", "0" * 64),
        ("looker", "0" * 64),
    ]
    assert analysis.run.warnings == ()
    stages = {(timing.stage, bool(timing.series)) for timing in analysis.run.timings}
    assert {("segment", True), ("level", True)} <= stages
    # Zero stands for "this system does not tell"; what it tells is never forgotten.
    assert (analysis.run.peak_memory_mb > 0) == (peak_memory_mb() > 0)


@pytest.mark.parametrize("plane", [Plane.SAGITTAL, Plane.AXIAL])
def test_progress_is_told_from_nothing_to_done(painted_exam, predictor, axial_predictor, plane):
    told = []
    analyze(
        painted_exam,
        AnalyzeOptions(predictor, axial_predictor),
        lambda stage, series, fraction: told.append((stage, series, fraction)),
    )
    name = painted_exam.of_plane(plane)[0].name
    fractions = [
        fraction for stage, series, fraction in told if (stage, series) == ("segment", name)
    ]
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 2


def test_an_exam_of_one_plane_needs_no_weights_of_the_other(
    painted_exam, predictor, axial_predictor, monkeypatch, tmp_path
):
    monkeypatch.setattr("openlumbar.models.session._WEIGHTS", tmp_path)  # nothing is shipped
    axial = Exam(series=painted_exam.of_plane(Plane.AXIAL))
    given = AnalyzeOptions(None, axial_predictor, Undecided(), axial_predictor)
    analysis = analyze(axial, given)
    assert analysis.failures == ()
    assert [masks.series for masks in analysis.masks.series] == [axial.series[0].name]
    assert [numbering.flags for numbering in analysis.levels.numbering] == [("level-uncertain",)]
    (warning,) = analysis.run.warnings
    assert "no sagittal series was found" in warning
    sagittal = Exam(series=painted_exam.of_plane(Plane.SAGITTAL))
    analysis = analyze(sagittal, AnalyzeOptions(predictor))
    assert (analysis.failures, analysis.run.warnings) == ((), ())


def test_an_exam_of_neither_plane_is_not_a_failure(painted_exam):
    (series, *_) = painted_exam.series
    analysis = analyze(Exam((replace(series, plane=Plane.CORONAL),)))
    assert (analysis.failures, analysis.masks.series) == ((), ())
    assert "no sagittal and no axial series" in analysis.run.warnings[0]


@pytest.mark.parametrize("plane", [Plane.SAGITTAL, Plane.AXIAL])
def test_what_fails_in_one_plane_leaves_the_other_alone(
    painted_exam, predictor, axial_predictor, plane
):
    networks = {Plane.SAGITTAL: predictor, Plane.AXIAL: axial_predictor}
    networks[plane] = BrokenPredictor(networks[plane], StageError("the slices are too small"))
    analysis = analyze(painted_exam, AnalyzeOptions(*networks.values()))
    (failure,) = analysis.failures
    assert (failure.stage, failure.error) == ("segment", "StageError")
    assert failure.series == painted_exam.of_plane(plane)[0].name
    assert "too small" in failure.message
    assert len(analysis.exam.series) == len(painted_exam.series)
    (other,) = (one.name for one in painted_exam.series if one.plane is not plane)
    assert {masks.series for masks in analysis.masks.series} == {other}
    assert {row.series for row in analysis.levels.rows} == {other}


def test_masks_and_slices_outlast_measuring(painted_exam, axial_predictor, monkeypatch):
    def fails(*_):
        raise StageError("no ruler")

    monkeypatch.setattr("openlumbar.pipeline.axial.measure_axial", fails)
    axial = Exam(painted_exam.of_plane(Plane.AXIAL))
    analysis = analyze(axial, AnalyzeOptions(axial_predictor=axial_predictor))
    assert [failure.stage for failure in analysis.failures] == ["measure"]
    assert len(analysis.masks.series) == 1
    assert len(analysis.levels.rows) == 4


def test_one_bad_series_leaves_the_others_alone(painted_exam, predictor):
    class SecondTimeBroken(type(predictor)):
        calls = 0

        def predict(self, images):
            self.calls += 1
            if self.calls <= 1:
                raise RuntimeError("only the first")
            return super().predict(images)

    good = painted_exam.of_plane(Plane.SAGITTAL)[0]
    exam = Exam(series=(replace(good, name="bad"), good))
    analysis = analyze(exam, AnalyzeOptions(predictor=SecondTimeBroken()))
    assert [failure.series for failure in analysis.failures] == ["bad"]
    assert [masks.series for masks in analysis.masks.series] == [good.name]


def test_a_foreign_error_is_logged_but_not_quoted(painted_exam, predictor, axial_predictor, caplog):
    broken = BrokenPredictor(predictor, FileNotFoundError("/archive/DOE^JANE/1.dcm"))
    analysis = analyze(painted_exam, AnalyzeOptions(broken, axial_predictor))
    assert "DOE" not in repr(analysis.failures)
    assert "DOE" in caplog.text


def test_missing_weights_are_a_failure_not_a_crash(painted_exam, monkeypatch, tmp_path):
    monkeypatch.setattr("openlumbar.models.session._WEIGHTS", tmp_path)
    analysis = analyze(painted_exam)
    for failure, name in zip(analysis.failures, ("sagittal", "axial"), strict=True):
        assert (failure.stage, failure.series, failure.error) == ("segment", "", "ModelError")
        assert f"{name}.onnx" in failure.message


def test_interrupting_is_never_swallowed():
    def interrupt():
        with Stages().stage("segment"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_files_in_folder_out(painted_dicom, predictor, axial_predictor, tmp_path):
    out = tmp_path / "out"
    options = AnalyzeOptions(predictor, axial_predictor, noted={"weighting": "T2w"})
    analysis = analyze_files([painted_dicom], out, ReadOptions(), options)
    assert analysis.failures == ()
    assert sorted(path.name for path in out.iterdir()) == [
        "analysis.json",
        "dicom",
        "exam.json",
        "images",
        "levels.csv",
        "loads.csv",
        "measurements.csv",
        "model.osim",
        "pictures",
        "report.html",
        "report.pdf",
        "run.json",
        "segmentations",
    ]
    name = analysis.masks.series[0].series  # on the axial slices nothing is seen
    pictures = {path.name for path in (out / "pictures").iterdir()}
    of_loads = {"loads_standing.png", "loads_hess2023.png"}
    assert pictures == {f"{name}.png", f"{name}_rulers.png"} | of_loads
    run = json.loads((out / "run.json").read_text())
    assert run["options"] == {"weighting": "T2w"}
    assert run["failures"] == []
    stages = [timing["stage"] for timing in run["timings"]]
    assert stages[0] == "read"
    assert {"segment", "level", "measure", "picture", "write", "report", "dicom"} <= set(stages)


def test_a_picture_of_nothing_is_no_failure(painted_exam, predictor, tmp_path):
    (sagittal, *_) = painted_exam.of_plane(Plane.SAGITTAL)
    blocks = tuple(
        replace(block, volume=block.volume.with_array(np.zeros_like(block.volume.array)))
        for block in sagittal.blocks
    )
    empty = Exam(series=(replace(sagittal, blocks=blocks),))
    analysis = write_results(analyze(empty, AnalyzeOptions(predictor=predictor)), tmp_path)
    assert analysis.failures == ()
    assert (analysis.levels.rows, analysis.measurements) == ((), ())
    assert "not-a-lumbar-spine" in analysis.levels.numbering[0].flags
    assert not (tmp_path / "pictures").exists()
    assert "does not look like a sagittal lumbar spine" in (tmp_path / "report.html").read_text()


def test_the_page_says_once_what_failed(painted_exam, predictor, tmp_path, monkeypatch):
    def no_ink(*_):
        raise StageError("there is no ink")

    monkeypatch.setattr("openlumbar.pipeline.results.draw_series", no_ink)
    sagittal = Exam(series=painted_exam.of_plane(Plane.SAGITTAL))
    analysis = write_results(analyze(sagittal, AnalyzeOptions(predictor=predictor)), tmp_path)
    assert [failure.stage for failure in analysis.failures] == ["picture"]
    assert (tmp_path / "report.html").read_text().count("there is no ink") == 1


def test_an_input_inside_the_output_is_refused(painted_nifti):
    with pytest.raises(OptionError, match="inside the output folder"):
        analyze_files([painted_nifti], painted_nifti.parent)
    assert painted_nifti.exists()


WEIGHTS = Path(openlumbar.__file__).parent / "models" / "weights" / "sagittal.onnx"


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the shipped weights are not in this checkout")
def test_the_shipped_network_names_the_phantom(phantom):
    analysis = analyze(Exam(phantom.exam.of_plane(Plane.SAGITTAL)))
    assert analysis.failures == ()
    found = {row.level: row for row in analysis.levels.rows if row.structure == "vertebra"}
    for level in phantom.truth.levels:
        if level.name in ("L1", "L2", "L3", "L4", "L5"):
            row = found[level.name]
            distance = np.subtract((row.x_mm, row.y_mm, row.z_mm), level.centroid_mm)
            # Well under half the distance to a neighbour: the name is right.
            assert np.linalg.norm(distance) < 10.0, level.name


AXIAL_WEIGHTS = WEIGHTS.with_stem("axial")


@pytest.fixture(scope="module")
def axial_output(phantom, tmp_path_factory):
    """The phantom's axial series alone, from DICOM to the output folder."""
    if not AXIAL_WEIGHTS.exists():
        pytest.skip("the shipped weights are not in this checkout")
    folder = tmp_path_factory.mktemp("axial")
    write_phantom(phantom, folder)
    for path in (folder / "dicom").iterdir():
        if "axial" not in path.name:
            shutil.rmtree(path)
    analysis = analyze_files([folder / "dicom"], folder / "out")
    return folder / "out", analysis


def test_axial_series_alone_give_muscles_fat_and_sac(axial_output, phantom):
    _, analysis = axial_output
    assert analysis.failures == ()
    truth = next(t for t in phantom.truth.series if "axial" in t.series)
    areas = {
        (m.block, m.slice, m.side): m.value
        for m in analysis.measurements
        if (m.structure, m.metric) == ("psoas", "csa_cm2") and None not in (m.value, m.slice)
    }
    assert len(areas) >= 6  # of 2 sides in 4 slices
    for (block, k, side), area in areas.items():
        code = 5121 if side == "left" else 5122
        true = truth.codes[block]
        pixel = true.spacing_mm[1] * true.spacing_mm[2] / 100
        assert area == pytest.approx(np.count_nonzero(true.array[k] == code) * pixel, rel=0.3)
    measured = {m.structure for m in analysis.measurements if m.value is not None}
    assert {"psoas", "multifidus", "erector spinae", "dural sac"} <= measured
    # Each block is of one disc; which, its looks say.
    slices = [row for row in analysis.levels.rows if row.structure == "slice"]
    assert {row.source for row in slices} == {"looks"}
    assert {m.level for m in analysis.measurements} == {row.disc_level for row in slices}
    assert {row.structure for row in analysis.levels.rows} == {"slice"}
    assert "no sagittal series" in analysis.run.warnings[0]


def test_axial_results_have_their_files_and_come_back(axial_output):
    out, analysis = axial_output
    (series,) = analysis.exam.series
    stems = [series.stem(block) for block in range(len(series.blocks))]
    maps = {path.name for path in (out / "segmentations").iterdir()}
    assert maps == {
        f"{stem}_{suffix}.{kind}"
        for stem in stems
        for suffix in ("dseg", "desc-body_dseg")
        for kind in ("nii.gz", "json")
    }
    table = json.loads((out / "segmentations" / f"{stems[0]}_dseg.json").read_text())
    sides = {(row["name"], row.get("side")) for row in table["labels"]}
    assert {("psoas", "left"), ("psoas", "right"), ("spinal canal", None)} <= sides
    loaded = Analysis.load(out)
    assert loaded.measurements == analysis.measurements
    assert loaded.levels == analysis.levels
    (mine,), (yours,) = loaded.masks.series, analysis.masks.series
    for one, other in zip(mine.labels + mine.bodies, yours.labels + yours.bodies, strict=True):
        assert one.array.dtype == np.uint16
        assert np.array_equal(one.array, other.array)
    names = {path.name for path in (out / "dicom").iterdir()}
    assert {f"{stem}_seg.dcm" for stem in stems} | {f"{series.name}_sr.dcm"} <= names
    assert [line for path in (out / "dicom").iterdir() for line in complaints(path)] == []


@pytest.fixture(scope="module")
def small_phantom(phantom):
    """Its middle slice alone: enough for the shipped network, and quick."""
    series = phantom.exam.of_plane(Plane.SAGITTAL)[0]
    (block,) = series.blocks
    volume = Volume(np.ascontiguousarray(block.volume.array[3:4]), block.volume.affine)
    return replace(series, blocks=(replace(block, volume=volume, instances=block.instances[3:4]),))


def flipped(series, axes):
    (block,) = series.blocks
    volume = block.volume.with_array(np.flip(block.volume.array, axes).copy())
    return replace(series, blocks=(replace(block, volume=volume),))


@pytest.fixture(scope="module")
def shipped():
    return AnalyzeOptions(predictor=load_model("sagittal"))


class Lasts:
    """Fails after some slices."""

    def __init__(self, predictor, slices):
        self.predictor, self.card, self.left = predictor, predictor.card, slices

    def predict(self, images):
        self.left -= 1
        if self.left < 0:
            raise StageError("no more")
        return self.predictor.predict(images)


def test_the_right_way_up_is_not_called_upside_down(small_phantom, shipped):
    # It has one slice: the network is not asked again.
    once = AnalyzeOptions(predictor=Lasts(shipped.predictor, 1))
    analysis = analyze(Exam((small_phantom,)), once)
    assert analysis.failures == ()
    assert "upside-down" not in analysis.levels.numbering[0].flags
    assert sum(m.value is not None for m in analysis.measurements) > 50


@pytest.mark.parametrize(
    ("axes", "words"),
    [((1,), "head for foot"), ((2,), "front for back"), ((1, 2), "by 180°")],
    ids=["head for foot", "front for back", "by half a turn"],
)
def test_a_picture_stored_upside_down_gives_no_number(small_phantom, shipped, axes, words):
    analysis = analyze(Exam((flipped(small_phantom, axes),)), shipped)
    assert analysis.failures == ()
    (numbering,) = analysis.levels.numbering
    assert numbering.confidence == 0
    assert numbering.flags[0] == "upside-down"
    assert words in numbering.evidence[0]
    assert all(row.flags[0] == "upside-down" for row in analysis.levels.rows)
    assert len(analysis.measurements) > 50
    for number in analysis.measurements:
        assert number.value is None
        assert "upside-down" in number.flags


def above_the_sacrum(series):
    (block,) = series.blocks
    rows = round(0.55 * block.volume.shape[1])
    volume = Volume(np.ascontiguousarray(block.volume.array[:, :rows]), block.volume.affine)
    return replace(series, blocks=(replace(block, volume=volume),))


def test_without_a_sacrum_nothing_is_called_upside_down(small_phantom, shipped):
    analysis = analyze(Exam((above_the_sacrum(small_phantom),)), shipped)
    assert "sacrum-out-of-view" in analysis.levels.numbering[0].flags
    assert "upside-down" not in analysis.levels.numbering[0].flags
    assert analysis.failures == ()


def test_names_and_numbers_outlast_a_failed_look_at_the_other_ways_up(small_phantom, shipped):
    series = above_the_sacrum(small_phantom)

    analysis = analyze(Exam((series,)), AnalyzeOptions(predictor=Lasts(shipped.predictor, 1)))
    assert [failure.stage for failure in analysis.failures] == ["orientation"]
    assert any(number.value is not None for number in analysis.measurements)
