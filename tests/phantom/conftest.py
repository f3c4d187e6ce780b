from __future__ import annotations

import pytest

from openlumbar.phantom import Phantom, PhantomOptions, make_phantom
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
