"""Weighting from timing; SPIDER's 330 real series as the check on reality."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from openlumbar.core.exam import Weighting
from openlumbar.exam.weighting import weighting_from_name, weighting_of
from openlumbar.io.dicom_header import Acquisition

SERIES = Path(__file__).parents[3] / "shared" / "data" / "spider_midsagittal" / "series.csv"

CASES = [
    # TR, TE, TI, scanning sequence, scan options, expected
    (550, 10, None, ("SE",), (), Weighting.T1),
    (3500, 105, None, ("SE",), (), Weighting.T2),
    (1000, 124, None, ("SE",), (), Weighting.T2),  # SPACE
    (3000, 15, None, ("SE",), (), Weighting.PD),
    (4000, 50, 160, ("SE", "IR"), (), Weighting.STIR),
    (4000, 30, 220, ("IR",), (), Weighting.STIR),
    (2000, 12, 860, ("SE", "IR"), (), Weighting.T1),  # T1 FLAIR
    (9000, 110, 2500, ("SE", "IR"), (), Weighting.T2),
    (3500, 100, None, ("SE",), ("FS",), Weighting.T2_FAT_SAT),
    (600, 10, None, ("SE",), ("PFP", "FS"), Weighting.T1_FAT_SAT),
    (500, 15, None, ("GR",), (), Weighting.T2_STAR),
    (8, 3, None, ("GR",), (), Weighting.T1),
    (None, 100, None, (), (), Weighting.T2),
    (None, None, None, (), (), Weighting.UNKNOWN),
    (3000, 50, None, ("SE",), (), Weighting.UNKNOWN),
]


@pytest.mark.parametrize(("tr", "te", "ti", "sequence", "options", "expected"), CASES)
def test_weighting_from_timing(tr, te, ti, sequence, options, expected):
    acquisition = Acquisition(
        tr_ms=tr, te_ms=te, ti_ms=ti, scanning_sequence=sequence, scan_options=options
    )
    assert weighting_of(acquisition) is expected


def test_description_breaks_ties_and_nothing_else():
    assert weighting_of(Acquisition(description="SAG T1 TSE")) is Weighting.T1
    assert weighting_of(Acquisition(tr_ms=3500, te_ms=100, description="SAG T1")) is Weighting.T2
    assert (
        weighting_of(Acquisition(tr_ms=5570, te_ms=90, description="SAG T2 TSE STIR"))
        is Weighting.STIR
    )


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("sub-01_T1w", Weighting.T1),
        ("sub-01_acq-sag_T2w", Weighting.T2),
        ("sub-01_STIR", Weighting.STIR),
        ("sub-01_PDw", Weighting.PD),
        ("sub-01_T2starw", Weighting.T2_STAR),
        ("12_t1", Weighting.T1),
        ("12_t2_SPACE", Weighting.T2),
        ("lumbar-t2-fs", Weighting.T2_FAT_SAT),
        ("image", Weighting.UNKNOWN),
        ("st2art1st", Weighting.UNKNOWN),
    ],
)
def test_weighting_from_file_names(stem, expected):
    assert weighting_from_name(stem) is expected


@pytest.mark.skipif(not SERIES.exists(), reason="../shared/data is absent")
def test_every_series_of_spider():
    with SERIES.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 330
    for row in rows:
        acquisition = Acquisition(
            tr_ms=float(row["RepetitionTime"]),
            te_ms=float(row["EchoTime"]),
            flip_deg=float(row["FlipAngle"]),
            scanning_sequence=("SE",),
        )
        expected = Weighting.T1 if "_t1" in row["new_file_name"] else Weighting.T2
        assert weighting_of(acquisition) is expected, row["new_file_name"]
