from __future__ import annotations

from pathlib import Path

import pytest

from openlumbar.phantom import Phantom, PhantomOptions, make_phantom, write_phantom
from openlumbar.phantom.acquire import Scanner
from openlumbar.phantom.grids import AxialFrame, SagittalFrame

#: Coarse and thin, so that all tests together take seconds.
SMALL = PhantomOptions(
    sagittal=SagittalFrame(pixel_mm=2.5, slice_mm=6.0, slices=5),
    axial=AxialFrame(pixel_mm=3.0, slices=2, width_mm=180.0),
    scanner=Scanner(noise=0.01),
    planes=1,
)


@pytest.fixture(scope="session")
def small_options() -> PhantomOptions:
    return SMALL


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return make_phantom(1, SMALL)


@pytest.fixture(scope="session")
def written(phantom, tmp_path_factory) -> Path:
    """The phantom on disk, to be read alone."""
    folder = tmp_path_factory.mktemp("written")
    write_phantom(phantom, folder)
    return folder
