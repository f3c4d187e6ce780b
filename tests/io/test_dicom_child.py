"""Pictures that take their decoder down cost one picture, not the process."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from openlumbar.core.errors import UnreadableError
from openlumbar.io import dicom_child
from openlumbar.io.dicom_child import JpegDecoder
from support_dicom import as_lossless_jpeg, mr_slice, picture, save


def jpeg(folder, name, seed=1):
    pixels = picture(seed, 64, 48)
    (path,) = save([as_lossless_jpeg(mr_slice((0, 0, 0), pixels=pixels))], folder, name)
    return path, pixels


def test_one_child_decodes_many_and_survives_refusals(tmp_path):
    good, pixels = jpeg(tmp_path, "good")
    with JpegDecoder() as decoder:
        np.testing.assert_array_equal(decoder.decode(good), pixels)
        with pytest.raises(UnreadableError, match="cannot be decoded"):
            decoder.decode(tmp_path / "absent.dcm")
        np.testing.assert_array_equal(decoder.decode(good), pixels)


def test_a_child_that_dies_is_replaced(tmp_path, monkeypatch):
    good, pixels = jpeg(tmp_path, "good")
    with JpegDecoder() as decoder:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/bin/false")
            with pytest.raises(UnreadableError, match="cannot be decoded"):
                decoder.decode(good)
        np.testing.assert_array_equal(decoder.decode(good), pixels)


def test_a_child_that_hangs_is_stopped(tmp_path, monkeypatch):
    good, _ = jpeg(tmp_path, "good")
    monkeypatch.setattr(dicom_child, "TIME_LIMIT_S", 0.05)
    script = tmp_path / "hang"
    script.write_text("#!/bin/sh\nexec sleep 20\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with JpegDecoder() as decoder, pytest.raises(UnreadableError):
        decoder.decode(good)
