"""Masks of other tools on a phantom: the same anatomy must give the same numbers."""

import csv
import json
from dataclasses import replace
from itertools import pairwise

import highdicom as hd
import nibabel
import numpy as np
import pytest

from openlumbar import Analysis, cli, read_exam
from openlumbar.core.codes import SCHEMES, translate
from openlumbar.core.errors import InputError, OptionError
from openlumbar.core.masks import Tissue
from openlumbar.core.volume import Volume
from openlumbar.imaging.grids import place_labels
from openlumbar.io.label_map import read_label_map
from openlumbar.pipeline.masks import Given, MaskOptions, measure_given, read_given
from openlumbar.report.summary import summary

_FLIP = np.diag([-1.0, -1, 1, 1])

#: Numbers that no neighbour below L5 takes part in: SPIDER has no sacrum, others one of a piece.
LUMBAR = ["T12", "L1", "L2", "L3", "L4", "L5", "T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5"]


@pytest.fixture(scope="module")
def series(phantom):
    return phantom.exam.series[0]


@pytest.fixture(scope="module")
def truth(phantom):
    """True codes, and true tissue, of the sagittal series."""
    found = phantom.truth.series[0]
    return found.codes[0], found.regions[0]


@pytest.fixture(scope="module")
def desk(series, truth, tmp_path_factory):
    """The image and its masks in several codes, on a file's grid that is not ours."""
    folder = tmp_path_factory.mktemp("masks")
    save(series.blocks[0].volume, folder / "sub-01_T2w.nii.gz", (0, 2, 1))
    codes, tissue = truth
    save(codes, folder / "openlumbar.nii.gz", (0, 2, 1))
    for name in ("totalspineseg", "spineps", "spider", "nnunet"):
        labels = translate(codes.array, "openlumbar", name).labels
        save(codes.with_array(labels), folder / f"{name}.nii.gz", (0, 2, 1))
    save(
        codes.with_array(subregions(codes.array, tissue.array)), folder / "spine.nii.gz", (1, 0, 2)
    )
    bodies = np.where(np.isin(tissue.array, (Tissue.BODY, Tissue.S1, Tissue.S2)), codes.array, 0)
    save(codes.with_array(bodies), folder / "bodies.nii.gz", (0, 2, 1))
    return folder


def subregions(codes, tissue):
    """SPINEPS' other mask: arches 41, bodies 49, canal 61, discs 100, sacrum 26."""
    parts = {Tissue.BODY: 49, Tissue.POSTERIOR: 41, Tissue.CANAL: 61, Tissue.DISC: 100}
    sacrum = dict.fromkeys((Tissue.S1, Tissue.S2, Tissue.SACRUM), 26)
    mask = np.zeros(codes.shape, np.uint16)
    for value, part in (parts | sacrum).items():
        mask[(tissue == value) & (codes > 0)] = part
    return mask


def save(volume, path, order, flips=(False, False, False)):
    """Write NIfTI whose axes are those of the volume's (k, j, i) in another order."""
    array = volume.array.transpose(order)
    affine = (_FLIP @ volume.affine)[:, [2, 1, 0, 3]][:, [*order, 3]].copy()
    for axis in np.flatnonzero(flips):
        array = np.flip(array, axis)
        affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
        affine[:, axis] *= -1
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array), affine), path)


def measured(desk, mask, codes, **options):
    given = read_given(desk / mask, chosen := MaskOptions(codes, **options))
    return measure_given(read_exam(desk / "sub-01_T2w.nii.gz"), [given], chosen)


def numbers(analysis, levels=None):
    return {
        (m.structure, m.level, m.metric): (m.value, m.uncertainty, m.confidence, m.flags)
        for m in analysis.measurements
        if levels is None or m.level in levels
    }


@pytest.fixture(scope="module")
def ours(desk):
    analysis = measured(desk, "openlumbar.nii.gz", "openlumbar")
    assert analysis.failures == ()
    return analysis


def test_our_own_codes_are_measured(ours):
    found = numbers(ours)
    assert sum(value is not None for value, *_ in found.values()) > 100
    assert found["disc", "L4-L5", "height_mm"][0] > 4
    assert found["spine", "L1-S1", "lordosis_deg"][0] is not None


def test_every_structure_has_a_name_taken_as_given(ours, truth):
    rows = ours.levels.rows
    vertebrae = [row.level for row in rows if row.structure == "vertebra"]
    assert vertebrae[-7:] == ["L1", "L2", "L3", "L4", "L5", "S1", "S2"]
    assert {row.source for row in rows} == {"given"}
    assert {row.level_confidence for row in rows} == {1.0}
    for upper, lower in pairwise(row.z_mm for row in rows if row.structure == "disc"):
        assert upper > lower
    disc = next(row for row in rows if row.level == "L3-L4")
    centre = truth[0].to_patient(np.argwhere(truth[0].array == 94).mean(0))
    assert (disc.x_mm, disc.y_mm, disc.z_mm) == pytest.approx(tuple(centre), abs=1e-3)
    assert ours.levels.numbering[0].flags == ()


def test_what_the_border_cuts_is_flagged(ours):
    flagged = [row.level for row in ours.levels.rows if row.flags]
    highest = ours.levels.rows[0].level
    assert flagged[:1] == [highest]
    assert set(flagged) <= {highest, "S2"}


@pytest.mark.parametrize("codes", ["totalspineseg", "spider"])
def test_other_codes_give_the_same_numbers(desk, ours, codes):
    found = measured(desk, f"{codes}.nii.gz", codes)
    assert numbers(found, LUMBAR) == numbers(ours, LUMBAR)
    assert len(numbers(found, LUMBAR)) > 90
    canal = numbers(found, ["L4", "L4-L5"])
    assert canal["canal", "L4-L5", "ap_diameter_mm"][0] is not None


def test_the_codes_for_nnunet_lose_nothing(desk, ours):
    assert numbers(measured(desk, "nnunet.nii.gz", "nnunet")) == numbers(ours)


def test_bodies_that_are_given_are_taken(desk):
    ours = measured(desk, "openlumbar.nii.gz", "openlumbar", bodies=desk / "bodies.nii.gz")
    spineps = measured(desk, "spineps.nii.gz", "spineps", subregions=desk / "spine.nii.gz")
    assert numbers(spineps, LUMBAR) == numbers(ours, LUMBAR)
    bodies = read_label_map(desk / "bodies.nii.gz").volume.array
    (taken,) = ours.masks.series[0].bodies
    assert np.array_equal(taken.array, bodies)


def test_bodies_without_arches_are_given_twice(desk):
    alone = measured(desk, "bodies.nii.gz", "openlumbar", bodies=desk / "bodies.nii.gz")
    whole = measured(desk, "openlumbar.nii.gz", "openlumbar", bodies=desk / "bodies.nii.gz")
    key = ("vertebra", "L3", "posterior_height_mm")
    assert alone.failures == ()
    assert numbers(alone)[key][0] == pytest.approx(numbers(whole)[key][0])
    assert not [row for row in alone.levels.rows if row.structure == "disc"]


def test_bodies_alone_are_measured_as_they_are(desk):
    found = measured(desk, "bodies.nii.gz", "openlumbar")
    ours = measured(desk, "openlumbar.nii.gz", "openlumbar", bodies=desk / "bodies.nii.gz")
    assert found.failures == ()
    for name in ("anterior_height_mm", "posterior_height_mm"):
        heights, expected = (
            {one.level: one.value for one in analysis.measurements if one.metric == name}
            for analysis in (found, ours)
        )
        assert sum(value is not None for value in heights.values()) >= 4
        for level, value in heights.items():
            assert value == pytest.approx(expected[level], abs=1e-3), level


def test_bodies_that_cannot_be_told_fail_that_stage_alone(desk, truth):
    whole, _ = truth
    bodies = read_label_map(desk / "bodies.nii.gz").volume
    # Arches on some vertebrae only, and no canal: nobody knows where bodies end.
    mixed = np.where(np.isin(whole.array, (43, 44)), whole.array, bodies.array)
    save(whole.with_array(mixed), desk / "mixed.nii.gz", (0, 2, 1))
    found = measured(desk, "mixed.nii.gz", "openlumbar")
    assert [failure.stage for failure in found.failures] == ["bodies"]
    assert found.measurements == ()
    assert len(found.levels.rows) > 5


def test_endplates_go_to_the_vertebra_they_lie_on(desk, truth, tmp_path):
    codes, _ = truth
    mask = translate(codes.array, "openlumbar", "spineps").labels
    # SPINEPS gives both endplates beside disc X the integer 200 + X.
    for disc, (upper, lower) in {122: (22, 23), 123: (23, 24)}.items():
        for vertebra, step in ((upper, 1), (lower, -1)):
            edge = (mask == vertebra) & (np.roll(mask, -step, 1) == disc)
            assert edge.any()
            mask[edge] = disc + 100
    save(codes.with_array(mask), tmp_path / "vert.nii.gz", (0, 2, 1))
    given = read_given(tmp_path / "vert.nii.gz", MaskOptions("spineps"))
    whole = read_given(desk / "spineps.nii.gz", MaskOptions("spineps"))
    assert np.array_equal(given.labels.array, whole.labels.array)


@pytest.mark.parametrize(
    ("order", "flips"), [((2, 1, 0), (True, False, True)), ((1, 2, 0), (False, True, False))]
)
def test_axes_of_the_mask_may_stand_in_another_order(desk, ours, truth, tmp_path, order, flips):
    mask = translate(truth[0].array, "openlumbar", "totalspineseg").labels
    save(truth[0].with_array(mask), tmp_path / "turned.nii.gz", order, flips)
    given = read_given(tmp_path / "turned.nii.gz", MaskOptions("totalspineseg"))
    found = measure_given(read_exam(desk / "sub-01_T2w.nii.gz"), [given])
    assert numbers(found, LUMBAR) == numbers(ours, LUMBAR)
    assert not any("interpolated" in warning for warning in found.run.warnings)


def test_a_mask_on_another_grid_is_interpolated_and_that_is_said(desk, ours, truth):
    codes, _ = truth
    k, j, i = codes.spacing_mm
    finer = codes.affine @ np.diag([1.0 / i, 1.0 / j, 1.0 / k, 1])  # 1 mm each way
    shape = tuple(int(n * step) for n, step in zip(codes.shape, codes.spacing_mm, strict=True))
    iso = place_labels(codes, Volume(np.zeros(shape, np.uint8), finer)).labels
    found = measure_given(read_exam(desk / "sub-01_T2w.nii.gz"), [Given("iso.nii.gz", iso)])
    (warning,) = [note for note in found.run.warnings if "interpolated" in note]
    assert "1.00 × 1.00 × 1.00 mm" in warning
    assert found.masks.series[0].labels[0].shape == ours.masks.series[0].labels[0].shape
    for level in ("L2", "L3", "L4"):
        for metric in ("anterior_height_mm", "middle_height_mm", "posterior_height_mm"):
            key = ("vertebra", level, metric)
            assert numbers(found)[key][0] == pytest.approx(numbers(ours)[key][0], abs=1.0)


def test_what_spider_calls_partly_in_view_is_flagged(desk, tmp_path):
    image = nibabel.load(desk / "spider.nii.gz")
    mask = np.asarray(image.dataobj).copy()
    mask[mask == 3] = 103
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), tmp_path / "partly.nii.gz")
    found = measured(desk, tmp_path / "partly.nii.gz", "spider")
    assert {row.level: row.flags for row in found.levels.rows}["L3"] == ("partly-in-view",)
    (numbering,) = found.levels.numbering
    assert numbering.flags == ("numbering-uncertain",)
    assert any("five lumbar" in sentence for sentence in numbering.evidence)


def test_names_out_of_order_are_refused(desk, truth):
    codes, _ = truth
    swapped = codes.array.copy()
    swapped[codes.array == 42], swapped[codes.array == 43] = 43, 42
    given = Given("swapped.nii.gz", codes.with_array(swapped))
    with pytest.raises(InputError, match="L2 lies below L3"):
        measure_given(read_exam(desk / "sub-01_T2w.nii.gz"), [given])


def test_of_two_series_on_one_grid_one_is_chosen_by_name(series, truth, phantom):
    exam = replace(phantom.exam, series=(series, replace(series, name="second")))
    given = Given("mask.nii.gz", truth[0])
    with pytest.raises(OptionError, match=f"{series.name}, second, and 2 of them have"):
        measure_given(exam, [given])
    found = measure_given(exam, [given], MaskOptions(series="second"))
    assert [one.name for one in found.exam.series] == ["second"]
    assert [one.name for one in found.exam.left_out] == [series.name]
    with pytest.raises(OptionError, match="--series third"):
        measure_given(exam, [given], MaskOptions(series="third"))


def test_of_two_series_the_one_on_the_grid_of_the_mask_is_chosen(series, truth, phantom):
    block = series.blocks[0]
    half = Volume(block.volume.array[:, ::2], block.volume.affine @ np.diag([1.0, 2, 1, 1]))
    other = replace(series, name="other", blocks=(replace(block, volume=half),))
    exam = replace(phantom.exam, series=(other, series))
    found = measure_given(exam, [Given("mask.nii.gz", truth[0])])
    assert found.exam.series[0] is series


# -- the command line ------------------------------------------------------------------


@pytest.fixture(autouse=True)
def logs(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


def run(capfd, *arguments):
    code = cli.main(["measure", *map(str, arguments)])
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_measure_leaves_an_output_folder(desk, tmp_path, capfd):
    out = tmp_path / "out"
    mask = desk / "totalspineseg.nii.gz"
    code, told, err = run(
        capfd, desk / "sub-01_T2w.nii.gz", mask, "--codes", "totalspineseg", "-o", out
    )
    assert (code, err) == (0, "")
    assert "L4-L5" in told
    rows = list(csv.DictReader((out / "measurements.csv").open()))
    assert {"L4-L5", "L3"} <= {row["level"] for row in rows}
    record = json.loads((out / "run.json").read_text())
    assert record["options"] == {"codes": "totalspineseg"}
    assert record["weights"] == []
    assert str(desk) not in (out / "run.json").read_text()
    written = nibabel.load(out / "segmentations" / "sub-01_T2w_dseg.nii.gz")
    assert written.shape == nibabel.load(mask).shape
    assert np.allclose(written.affine, nibabel.load(mask).affine, atol=1e-4)
    again = Analysis.load(out)
    assert summary(again) is not None
    assert len(again.measurements) == len(rows)


def test_a_nifti_mask_goes_with_a_dicom_folder(painted_dicom, desk, ours, tmp_path, capfd):
    out = tmp_path / "out"
    mask = desk / "openlumbar.nii.gz"
    code, _, _ = run(capfd, painted_dicom, mask, "--codes", "openlumbar", "-o", out)
    assert code == 0
    found = Analysis.load(out)
    assert found.failures == ()
    made = hd.seg.segread(next((out / "dicom").glob("*_seg.dcm")))
    # Nobody knows how masks that were given were made: never claimed to be automatic.
    assert {entry.algorithm_type.value for entry in made.SegmentSequence} == {"SEMIAUTOMATIC"}
    assert [one.plane for one in found.exam.series] == ["sagittal"]
    assert len(list((out / "images").iterdir())) == 1
    values = {key: value for key, (value, *_) in numbers(found).items()}
    for key, (value, *_) in numbers(ours).items():
        assert values[key] == (None if value is None else pytest.approx(value, abs=0.05))
    # What came out as DICOM can be corrected in a viewer, and measured again.
    whole, bodies = (next((out / "dicom").glob(f"*_{name}.dcm")) for name in ("seg", "seg-bodies"))
    again = tmp_path / "again"
    arguments = (painted_dicom, whole, "--bodies", bodies, "--codes", "openlumbar", "-o", again)
    assert run(capfd, *arguments)[0] == 0
    assert numbers(Analysis.load(again)) == numbers(found)
    code, _, err = run(capfd, painted_dicom, whole, "--codes", "spider", "-o", again)
    assert (code, err.count("\n")) == (2, 1)
    assert "--codes openlumbar" in err


@pytest.fixture(scope="module")
def bad(desk, tmp_path_factory):
    """The same files, and what is no mask of this image."""
    image = nibabel.load(desk / "openlumbar.nii.gz")
    mask = np.asarray(image.dataobj)
    away = image.affine.copy()
    away[:3, 3] += 700
    muscle = np.where(mask > 0, 5101, 0).astype(np.uint16)
    counted = np.select([mask == code for code in (42, 43, 44, 45, 50)], (1, 2, 3, 4, 26), 0)
    masks = {
        "floats": (mask * 0.5 / 41, image.affine),
        "four": (np.stack([mask, mask], -1), image.affine),
        "empty": (mask * 0, image.affine),
        "away": (mask, away),
        "lost": (mask, np.eye(4)),
        "muscle": (muscle, image.affine),
        "counted": (counted.astype(np.uint16), image.affine),
    }
    folder = tmp_path_factory.mktemp("bad")
    for name, (array, affine) in masks.items():
        nibabel.save(nibabel.Nifti1Image(array, affine), folder / f"{name}.nii.gz")
    for path in desk.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize(
    ("mask", "options", "told"),
    [
        ("floats", ["--codes", "openlumbar"], "fractions"),
        ("four", ["--codes", "openlumbar"], "4 dimensions"),
        ("empty", ["--codes", "openlumbar"], "empty"),
        ("away", ["--codes", "openlumbar"], "0% of its labels lie within"),
        ("lost", ["--codes", "openlumbar"], "copy the image's header"),
        ("muscle", ["--codes", "musclemap"], "muscles are measured on those alone"),
        ("counted", ["--codes", "spineps"], "labelling model"),
        ("spine", ["--codes", "spineps-subregions"], "do not tell one vertebra or disc"),
        ("totalspineseg", ["--codes", "spider"], "totalspineseg"),
        ("spider", ["--codes", "totalspineseg"], "spider"),
        ("spine", ["--codes", "spineps"], "spineps-subregions"),
        ("spider", ["--codes", "nobody"], "nobody"),
        ("spider", [], "--codes"),
        ("absent", ["--codes", "spider"], "no such file"),
        ("spider", ["--codes", "spider", "--series", "other"], "sub-01_T2w"),
        ("spider", ["--codes", "spider", "--subregions", "spine.nii.gz"], "--codes spineps"),
        ("spineps", ["--codes", "spineps", "--subregions", "absent.nii.gz"], "no such file"),
        ("openlumbar", ["--codes", "openlumbar", "--bodies", "empty.nii.gz"], "empty"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    mask, options, told, bad, tmp_path, capfd, monkeypatch
):
    for path in bad.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    code, out, err = run(capfd, "sub-01_T2w.nii.gz", f"{mask}.nii.gz", *options, "-o", "out")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("turned", "told"),
    [(False, "of its labels lie within the image"), (True, "no sagittal and no axial series")],
    ids=["axial", "coronal"],
)
def test_an_image_of_another_plane_is_refused(turned, told, phantom, desk, tmp_path, capfd):
    axial = next(one for one in phantom.exam.series if one.plane == "axial").blocks[0].volume
    quarter = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    image = Volume(axial.array, quarter @ axial.affine if turned else axial.affine)
    save(image, tmp_path / "other_T2w.nii.gz", (0, 2, 1))
    mask = desk / "openlumbar.nii.gz"
    code, _, err = run(
        capfd, tmp_path / "other_T2w.nii.gz", mask, "--codes", "openlumbar", "-o", tmp_path / "out"
    )
    assert code == 2
    assert told in err


def test_an_input_inside_the_output_is_refused(desk, tmp_path, capfd):
    mask = tmp_path / "out" / "mask.nii.gz"
    mask.parent.mkdir()
    mask.write_bytes((desk / "spider.nii.gz").read_bytes())
    arguments = (desk / "sub-01_T2w.nii.gz", mask, "--codes", "spider", "-o", tmp_path / "out")
    code, _, err = run(capfd, *arguments)
    assert code == 2
    assert "inside the output folder" in err
    assert mask.exists()


def test_every_scheme_can_be_named(capfd):
    with pytest.raises(SystemExit):
        cli.app(["measure", "--help"])
    told = capfd.readouterr().out
    assert all(name in told for name in SCHEMES)
