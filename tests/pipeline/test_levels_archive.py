"""Levels of an exam as archives hold them: six angled blocks, any order, no common frame."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import groupby

import numpy as np
import pydicom
import pytest

from archive_exam import archive_exam, at_lumbar_disc, named_by_geometry
from openlumbar.core.plane import Plane
from openlumbar.phantom import write_phantom
from openlumbar.phantom.archive import COARSE_SERIES
from openlumbar.phantom.grids import AxialFrame, SagittalFrame
from openlumbar.pipeline import AnalyzeOptions, analyze_files
from support_models import Undecided
from support_painted import PIXEL_MM, painted

DISCS = ("T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
#: Coarse, and few slices: masks alone are read.
SERIES = replace(
    COARSE_SERIES,
    sagittal=SagittalFrame(pixel_mm=PIXEL_MM, slices=9),
    axial=AxialFrame(pixel_mm=2.4, slices=3, blocks=6),
    more_axial=tuple(
        replace(extra, frame=replace(extra.frame, pixel_mm=2.4))
        for extra in COARSE_SERIES.more_axial
    ),
)
MOVED_MM = (-5.0, 4.0, 11.0)


@pytest.fixture(scope="module")
def still():
    return archive_exam(series=SERIES)


@pytest.fixture(scope="module")
def restless():
    return archive_exam(series=SERIES, moved_mm=MOVED_MM, turned_deg=(1.0, 0.0, 2.0))


@pytest.fixture(scope="module")
def named(still):
    return named_by_geometry(still)


@pytest.fixture(scope="module")
def output(still, predictor, axial_predictor, tmp_path_factory):
    """The folder that an analysis of the exam's files writes, sagittal tissue as it is true."""
    folder = tmp_path_factory.mktemp("archive")
    (sagittal, *axial), (truth, *_) = still.exam.series, still.truth.series
    series = (painted(sagittal, truth), *axial)
    write_phantom(replace(still, exam=replace(still.exam, series=series)), folder / "exam")
    options = AnalyzeOptions(predictor, axial_predictor, Undecided())
    analyze_files([folder / "exam" / "dicom"], folder / "out", options=options)
    return folder


def test_the_exam_is_what_archives_hold(still, output):
    """That the blocks cross behind the spine, and that nothing but geometry joins the series."""
    lowest, above = (still.exam.series[1].blocks[n].volume for n in (-1, -2))
    _, rows, columns = lowest.shape
    back = lowest.to_patient((0, rows - 1, columns // 2))
    assert above.to_index(back)[0] < -0.5 or above.to_index(back)[0] > 2.5
    front = np.sign((lowest.to_patient((0, 0, 0)) - above.to_patient((2, 0, 0)))[2])
    behind = np.sign((back - above.to_patient((2, rows - 1, columns // 2)))[2])
    assert front != behind
    headers = [
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in sorted((output / "exam" / "dicom").rglob("*.dcm"))
    ]
    frames = {header.SeriesNumber: header.FrameOfReferenceUID for header in headers}
    assert len(set(frames.values())) == len(frames) == 3
    downward = [header.ImagePositionPatient[2] for header in headers if header.SeriesNumber == 2]
    assert downward[0] > downward[-1]


def test_every_slice_in_a_disc_has_that_disc(named):
    for one in named:
        for row, place in one.pairs():
            assert row.disc_level == place.disc_level
            if at_lumbar_disc(place) and 0.1 < place.within < 0.9:
                assert row.level == place.level
            assert (row.source, row.flags) == ("geometry", ())


def test_the_best_slice_of_a_disc_lies_deepest_in_it(named):
    first, second = named
    for one, discs in ((first, DISCS), (second, DISCS[3:])):
        best = {row.disc_level: place for row, place in one.pairs() if row.best}
        assert sorted(best) == sorted(discs)
        for name, place in best.items():
            least = min(p.distance_mm for _, p in one.pairs() if p.disc_level == name)
            assert place.distance_mm == pytest.approx(least, abs=1.0)


def test_places_between_endplates_agree_with_the_phantom(named):
    apart = [
        row.within - place.within
        for one in named
        for row, place in one.pairs()
        if row.within is not None and row.level == place.level
    ]
    assert len(apart) >= 10
    # Two pixels of a thin disc.
    assert np.abs(apart).max() < 0.3


def test_a_patient_who_moved_is_noticed_and_the_names_stay_right(restless):
    for one in named_by_geometry(restless):
        assert "patient-moved" in one.names.numbering.flags
        for row, place in one.pairs():
            if at_lumbar_disc(place):
                assert row.disc_level == place.disc_level


def test_levels_csv_is_right(still, output):
    with (output / "out" / "levels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["structure"] == "slice"]
    places = {
        (series.name, series.blocks[place.block].instances[place.slice]): place
        for series, truth in zip(still.exam.series, still.truth.series, strict=True)
        if series.plane is Plane.AXIAL
        for place in truth.places
    }
    assert {(row["series"], row["instance"]) for row in rows} == set(places)
    for row in rows:
        place = places[row["series"], row["instance"]]
        assert row["disc_level"] == place.disc_level
        if at_lumbar_disc(place) and 0.15 < place.within < 0.85:
            assert row["level"] == place.level
        assert row["source"] == "geometry"
        assert float(row["level_confidence"]) > 0.5


def test_levels_csv_gives_each_block_one_disc(output):
    with (output / "out" / "levels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["structure"] == "slice"]
    found = {
        key: {row["disc_level"] for row in group}
        for key, group in groupby(rows, lambda row: (row["series"], row["block"]))
    }
    assert len(found) == 9
    assert all(len(discs) == 1 for discs in found.values())
    name = rows[0]["series"]
    blocks = sorted(int(block) for series, block in found if series == name)
    # Intake orders blocks from the foot upward, however they were stored.
    assert [min(found[name, str(block)]) for block in blocks] == list(reversed(DISCS))
