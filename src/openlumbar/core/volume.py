"""A regular grid of voxels in patient space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openlumbar.core.errors import GeometryError
from openlumbar.core.plane import Plane, plane_of

#: Cosine between two grid axes above which the grid counts as sheared.
SHEAR_TOLERANCE = 2e-3


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels indexed ``[k, j, i]`` (slice, row, column) with their place in the patient.

    Attributes
    ----------
    array
        Three-dimensional; a single slice has ``shape[0] == 1``.
    affine
        ``4 x 4`` from ``(i, j, k, 1)`` to LPS millimetres of the voxel's centre.

    Raises
    ------
    GeometryError
        The affine is not finite, is singular, or its axes are not perpendicular.
    """

    array: NDArray
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise GeometryError(f"a volume needs 3 axes, not {self.array.ndim}")
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("the affine is not a finite 4 x 4 matrix")
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if (lengths < 1e-6).any():
            raise GeometryError("the voxel spacing is zero along an axis")
        axes = affine[:3, :3] / lengths
        if np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR_TOLERANCE:
            raise GeometryError("the voxel axes are not perpendicular (sheared affine)")
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        slices, rows, columns = self.array.shape
        return slices, rows, columns

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring slices, rows and columns (k, j, i)."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(k), float(j), float(i)

    @property
    def plane(self) -> Plane:
        """The plane of the slices ``array[k]``."""
        return plane_of(self.affine[:3, 2])

    def with_array(self, array: NDArray) -> Volume:
        """The same place with other values.

        Parameters
        ----------
        array
            ``[k, j, i]`` of this volume's shape.

        Raises
        ------
        GeometryError
            The shape is another.
        """
        if array.shape != self.array.shape:
            raise GeometryError(f"shape {array.shape} does not fit the grid {self.array.shape}")
        return Volume(array, self.affine)

    def to_patient(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Map ``[..., 3]`` of (k, j, i), fractions allowed, to ``[..., 3]`` of LPS millimetres.

        >>> import numpy as np
        >>> volume = Volume(np.zeros((2, 3, 4)), np.diag([0.5, 0.5, 4.0, 1.0]))
        >>> volume.to_patient((1, 2, 3)).tolist()
        [1.5, 1.0, 4.0]
        """
        kji = np.asarray(indices, float)
        return np.asarray(kji[..., ::-1] @ self.affine[:3, :3].T + self.affine[:3, 3], np.float64)

    def to_index(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map ``[..., 3]`` of LPS millimetres to ``[..., 3]`` of fractional (k, j, i)."""
        offset = np.asarray(points, float) - self.affine[:3, 3]
        ijk = np.linalg.solve(self.affine[:3, :3], offset[..., None])[..., 0]
        return np.asarray(ijk[..., ::-1], np.float64)
