"""The whole phantom as something that can be asked, at any point, what is there.

A plane of points is painted back to front: the body's outline, soft tissue, arches, the
dural sac, discs, bodies. Each vertebra is evaluated only where the plane comes near it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy as codes
from openlumbar.core.masks import Tissue as Region
from openlumbar.core.volume import Volume
from openlumbar.phantom import shapes
from openlumbar.phantom.abdomen import SKIN_GAP_MM, Abdomen, Build
from openlumbar.phantom.anatomy import ENDPLATE_GAP_MM, Anatomy
from openlumbar.phantom.canal import Canal, draw_rootlets
from openlumbar.phantom.frame import where
from openlumbar.phantom.geometry import PlacedDisc, PlacedVertebra, Spine, place
from openlumbar.phantom.muscles import Muscles
from openlumbar.phantom.pelvis import Pelvis
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]

_MUSCLES = tuple(code for code, structure in codes.BY_CODE.items() if structure.kind == "muscle")

_SACRAL_REGION = {"S1": Region.S1, "S2": Region.S2}


class Canvas:
    """One plane of points and what has been painted there.

    Parameters
    ----------
    origin, across, down
        LPS of pixel (0, 0), and the steps along a row and along a column, mm.
    shape
        Rows and columns.

    Attributes
    ----------
    tissue, other, mix
        A point is ``1 - mix`` parts of ``tissue`` and ``mix`` parts of ``other``.
    code
        Codes of :mod:`openlumbar.core.anatomy`.
    region
        Classes of :class:`openlumbar.core.masks.Tissue`.
    """

    def __init__(
        self,
        origin: NDArray[np.float64],
        across: NDArray[np.float64],
        down: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> None:
        rows = np.arange(shape[0], dtype=np.float32)[:, None]
        columns = np.arange(shape[1], dtype=np.float32)[None, :]
        steps = float(np.linalg.norm(across)), float(np.linalg.norm(down))
        self._origin, self._steps = np.asarray(origin, float), steps
        # Directions along a row, along a column and out of the plane, as rows.
        self._axes = np.array([across / steps[0], down / steps[1], np.zeros(3)])
        self._axes[2] = np.cross(self._axes[0], self._axes[1])
        self.x, self.y, self.z = (
            np.float32(origin[axis])
            + np.float32(across[axis]) * columns
            + np.float32(down[axis]) * rows
            for axis in range(3)
        )
        self.tissue = np.zeros(shape, np.uint8)
        self.other = np.zeros(shape, np.uint8)
        self.mix = np.zeros(shape, np.float32)
        self.code = np.zeros(shape, np.uint16)
        self.region = np.zeros(shape, np.uint8)

    def near(self, centre: NDArray[np.float64], radius: float) -> Window | None:
        """The part of the plane inside a ball, if any."""
        i, j, off = self._axes @ (centre - self._origin)
        reach = radius**2 - off**2
        if reach <= 0:
            return None
        reach = math.sqrt(reach)
        window = []
        for middle, step, size in zip((j, i), self._steps[::-1], self.code.shape, strict=True):
            low, high = int((middle - reach) / step), int((middle + reach) / step) + 2
            if high <= 0 or low >= size:
                return None
            window.append(slice(max(low, 0), min(high, size)))
        return window[0], window[1]

    def points(self, window: Window) -> tuple[Floats, Floats, Floats]:
        """LPS coordinates of a part of the plane."""
        return self.x[window], self.y[window], self.z[window]

    def local(self, window: Window, placed: PlacedVertebra) -> tuple[Floats, Floats, Floats]:
        """Coordinates of a part of the plane in a vertebra's frame."""
        points = [
            axis[window] - np.float32(middle)
            for axis, middle in zip((self.x, self.y, self.z), placed.centre, strict=True)
        ]
        turn = placed.rotation.astype(np.float32)
        x, y, z = (
            points[0] * turn[0, n] + points[1] * turn[1, n] + points[2] * turn[2, n]
            for n in range(3)
        )
        return x, y, z

    def put(
        self,
        mask: Mask,
        tissue: Tissue,
        mixed: tuple[Tissue, Floats | float] | None = None,
        window: Window = (slice(None), slice(None)),
        label: tuple[int, int] = (0, 0),
    ) -> None:
        """Paint where ``mask`` holds.

        Parameters
        ----------
        mixed
            A second tissue and its part, 0 … 1.
        label
            Code and region.
        """
        self.tissue[window][mask] = tissue
        self.code[window][mask] = label[0]
        self.region[window][mask] = label[1]
        if mixed is None:
            self.mix[window][mask] = 0
            return
        second, part = mixed
        self.other[window][mask] = second
        self.mix[window][mask] = part[mask] if isinstance(part, np.ndarray) else part


@dataclass(frozen=True, eq=False)
class GridSample:
    """What the phantom is on a grid, before any image is made of it.

    Attributes
    ----------
    tissue, other, mix
        ``[k, n, j, i]``: ``n`` planes through the thickness of slice ``k``;
        ``mix`` in 255ths.
    codes
        ``uint16[k, j, i]`` in the middle of each slice: codes of
        :mod:`openlumbar.core.anatomy`.
    regions
        ``uint8[k, j, i]``, likewise: classes of :class:`openlumbar.core.masks.Tissue`.
    thickness_mm
        Of the slices.
    """

    grid: Volume
    tissue: NDArray[np.uint8]
    other: NDArray[np.uint8]
    mix: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    regions: NDArray[np.uint8]
    thickness_mm: float = 0.0

    @property
    def spine(self) -> NDArray[np.uint16]:
        """The codes without those of muscles, which sagittal series do not name."""
        return np.where(np.isin(self.codes, _MUSCLES), np.uint16(0), self.codes)

    def fat_part(self) -> Floats:
        """Fat in each voxel, 0 … 1: ``float32[k, j, i]``.

        The part of :attr:`Tissue.FAT`, averaged through the slice as the signal is
        (:func:`profile_weights`). Fat within marrow does not count.
        """
        fat = np.zeros(self.grid.shape, np.float32)
        for n, weight in enumerate(profile_weights(self.tissue.shape[1])):
            second = self.mix[:, n].astype(np.float32) / np.float32(255)
            fat += weight * (1 - second) * (self.tissue[:, n] == Tissue.FAT)
            fat += weight * second * (self.other[:, n] == Tissue.FAT)
        return fat


def profile_weights(planes: int) -> NDArray[np.float32]:
    """Weight of each plane through a slice; they sum to 1.

    A real slice profile has soft edges: of three or more planes the outer ones weigh less.
    """
    weights = np.ones(planes, np.float32)
    if planes > 1:
        weights[[0, -1]] = 0.6
    return weights / weights.sum()


class Scene:
    """A placed anatomy with its soft tissue.

    Parameters
    ----------
    anatomy
        What to build.
    rng
        Source of chance for textures, muscles, organs and rootlets.

    Attributes
    ----------
    spine
        The anatomy put in place.
    canal
        Dural sac, nerves, ligaments and facet joints.
    """

    def __init__(self, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self.spine: Spine = place(anatomy)
        self._texture = Texture(rng)
        index = anatomy.mass_kg / anatomy.height_m**2
        middle = float(self.spine.vertebra("L3").centre[1])
        self._build = Build(
            half_width=max(152 + 3.0 * (index - 25), 140),
            front_y=middle - 95 - 5.0 * (index - 22) - rng.uniform(0, 15),
            front_fat=anatomy.subcutaneous_mm * rng.uniform(0.6, 1.2),
        )
        rng.uniform()  # Once the liver's edge; kept so that later draws stay what they were.
        rootlets = draw_rootlets(self.spine, rng, 18)
        # A generator of its own for each, so that neither moves what is drawn after it.
        apart = np.random.default_rng(rng.integers(2**63))
        self._abdomen = Abdomen(self.spine, self._build, self._texture, apart)
        self._pelvis = Pelvis(self.spine, self._texture, apart)
        self._muscles = Muscles(self.spine, self._texture, apart)
        self.canal = Canal(self.spine, self._texture, rootlets, apart)
        self._cortex_mm = float(apart.uniform(0.5, 1.3))

    # -- bone and discs ------------------------------------------------------------

    def _arch(self, canvas: Canvas, placed: PlacedVertebra) -> None:
        spec = placed.spec
        sacral = spec.name.startswith("S")
        middle = shapes.arch_of(spec).centre_y + (0.0 if sacral else 12.0)
        centre = placed.to_patient((0.0, middle, -0.25 * spec.height_mm))
        window = canvas.near(centre, 62.0)
        if window is None:
            return
        local = canvas.local(window, placed)
        distance = (shapes.sacral_arch if sacral else shapes.posterior_elements)(spec, *local)
        if sacral:
            distance = np.minimum(distance, shapes.sacral_wing(spec, *local))
        code = codes.SACRUM if sacral else codes.vertebra_code(spec.name)
        label = (code, Region.SACRUM if sacral else Region.POSTERIOR)
        grain = self._texture.at(*local, (0.7, 0.7, 0.9), 7)
        yellow = np.clip(spec.yellow + 0.5 * (grain - 0.5), 0, 1)
        canvas.put(distance < 0.5, Tissue.CORTEX, window=window)
        canvas.put(distance < 0, Tissue.CORTEX, window=window, label=label)
        marrow = distance < -self._cortex_mm
        canvas.put(marrow, Tissue.RED_MARROW, (Tissue.YELLOW_MARROW, yellow), window, label)

    def _body(self, canvas: Canvas, placed: PlacedVertebra) -> None:
        spec = placed.spec
        radius = 0.5 * np.hypot(np.hypot(spec.width_mm, spec.depth_mm), spec.height_mm) + 3
        window = canvas.near(placed.centre, float(radius))
        if window is None:
            return
        x, y, z = canvas.local(window, placed)
        shape = shapes.body(spec, x, y, z)
        if spec.name in ("S3", "S4", "S5"):
            label = (codes.SACRUM, Region.SACRUM)
        else:
            label = (codes.vertebra_code(spec.name), _SACRAL_REGION.get(spec.name, Region.BODY))
        # The body of a sacral segment has no cortex towards its wings.
        bare = canvas.region[window] != Region.SACRUM
        canvas.put(bare & (shape.whole < ENDPLATE_GAP_MM), Tissue.CORTEX, window=window)
        marrow = shape.whole < 0
        canvas.put(
            marrow,
            Tissue.RED_MARROW,
            (Tissue.YELLOW_MARROW, self._yellow(spec, (x, y, z), shape)),
            window,
            label,
        )
        # The basivertebral vein: a funnel that opens towards the back wall.
        deep = np.clip(y / np.float32(spec.depth_mm), 0, 1)
        funnel = np.maximum(np.abs(z) / (0.4 + 3.2 * deep), np.abs(x) / (2 + 11 * deep))
        if not spec.name.startswith("S"):
            vein = (Tissue.VEIN, np.clip(0.8 - 0.8 * funnel, 0, 0.55))
            slit = marrow & (funnel < 1) & (deep > 0.1)
            canvas.put(slit, Tissue.YELLOW_MARROW, vein, window, label)

    def _yellow(
        self,
        spec: shapes.VertebraSpec,
        at: tuple[Floats, Floats, Floats],
        shape: shapes.BodyDistance,
    ) -> Floats:
        """Fat part of the marrow at each point."""
        seed = sum(map(ord, spec.name))
        grain = self._texture.at(*at, (0.7, 0.7, 0.9), seed)
        patch = self._texture.at(*at, (3.0, 3.0, 3.0), seed + 1)
        yellow = spec.yellow + 0.45 * (grain - 0.5) + 0.3 * (patch - 0.5)
        for change, plate in zip(spec.modic, (shape.top, shape.bottom), strict=True):
            if change > 0:
                yellow = yellow + change * np.clip(1.2 + (plate + 1.5 * patch) / 6, 0, 1)
        if spec.haemangioma_mm > 0:
            x, y, z = at
            spot = (x - 3) ** 2 + (y + 3) ** 2 + (z - 2) ** 2 < spec.haemangioma_mm**2
            yellow = np.where(spot, 0.8 + 0.4 * grain, yellow)
        return np.clip(yellow, 0, 1).astype(np.float32)

    def _disc(self, canvas: Canvas, placed: PlacedDisc) -> None:
        frame = disc_frame(placed)
        spec = frame.spec
        window = canvas.near(frame.centre, 0.5 * float(np.hypot(spec.width_mm, spec.depth_mm)) + 8)
        if window is None:
            return
        x, y, z = canvas.local(window, frame)
        below, above = disc_gaps(placed, *(axis[window] for axis in (canvas.x, canvas.y, canvas.z)))
        side, radial = shapes.wall((spec.width_mm, spec.depth_mm), x, y, 1.0)
        inside = disc_inside(placed, frame, (x, y, z), (below, above))
        level = below / np.maximum(below + above, 0.1) - 0.5
        core = (radial / 0.88) ** 2 + (level / 0.46) ** 2
        healthy = (1 - placed.spec.degeneration) ** 1.3
        grain = self._texture.at(x, y, z, (1.5, 1.5, 0.8), 11)
        cleft = 0.25 * np.exp(-((level / 0.09) ** 2)) * (radial < 0.6)
        nucleus = np.clip(1.5 * (1.1 - core), 0, 1) * healthy * (0.85 + 0.3 * grain) - cleft
        label = (codes.disc_code(placed.spec.name), Region.DISC)
        canvas.put(
            (below > -0.2) & (above > -0.2) & (side < placed.spec.bulge_mm + 0.9),
            Tissue.LIGAMENT,
            window=window,
        )
        canvas.put(inside, Tissue.ANNULUS, (Tissue.NUCLEUS, np.clip(nucleus, 0, 1)), window, label)

    # -- all of it -----------------------------------------------------------------

    def paint(self, canvas: Canvas) -> None:
        """Paint all that the plane of a canvas cuts."""
        at = where(canvas, self.spine)
        depth = self._abdomen.outline(canvas, at)
        inside = depth > SKIN_GAP_MM
        self._abdomen.paint(canvas, at, inside)
        self._pelvis.muscles(canvas, inside)
        self._muscles.paint(canvas, inside)
        self._pelvis.bones(canvas, inside)
        self._abdomen.finish(canvas, at)
        self.canal.ligaments(canvas, at)
        for placed in self.spine.vertebrae:
            self.canal.roots(canvas, placed)
        for placed in self.spine.vertebrae:
            self.canal.joints(canvas, placed)
        for placed in self.spine.vertebrae:
            self._arch(canvas, placed)
        self.canal.sac(canvas, at)
        for disc in self.spine.discs:
            self._disc(canvas, disc)
        for placed in self.spine.vertebrae:
            self._body(canvas, placed)

    def sample(
        self, grid: Volume, thickness_mm: float, planes: int = 3, spread: float = 0.0
    ) -> GridSample:
        """Evaluate the phantom on a grid.

        Parameters
        ----------
        grid
            Only its shape and affine are used.
        thickness_mm
            Of the slices; may be less or more than their distance.
        planes
            Odd number of planes through a slice, for partial volume.
        spread
            How far, in pixels, planes are moved within themselves, those of either half of
            the slice in opposite directions: partial volume of a pixel along with that of
            the slice, so that lines thinner than a pixel are not broken into dots. The
            middle plane, whose codes are the truth, stays.
        """
        slices, rows, columns = grid.shape
        shape = (slices, planes, rows, columns)
        tissue, other = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        mix = np.zeros(shape, np.uint8)
        codes_, regions = np.zeros(grid.shape, np.uint16), np.zeros(grid.shape, np.uint8)
        across, down, step = grid.affine[:3, 0], grid.affine[:3, 1], grid.affine[:3, 2]
        through = step / np.linalg.norm(step) * thickness_mm
        for k in range(slices):
            for n in range(planes):
                offset = through * ((n + 0.5) / planes - 0.5)
                offset = offset + np.sign(n - planes // 2) * spread * (across + 0.5 * down)
                canvas = Canvas(
                    grid.affine[:3, 3] + k * step + offset, across, down, (rows, columns)
                )
                self.paint(canvas)
                tissue[k, n], other[k, n] = canvas.tissue, canvas.other
                mix[k, n] = np.rint(canvas.mix * 255)
                if n == planes // 2:
                    codes_[k], regions[k] = canvas.code, canvas.region
        return GridSample(grid, tissue, other, mix, codes_, regions, thickness_mm)


def disc_frame(disc: PlacedDisc) -> PlacedVertebra:
    """A frame midway between the bodies; its spec's width and depth are the disc's."""
    upper, lower = disc.upper, disc.lower
    ends = (
        upper.to_patient((0.0, 0.0, -upper.spec.height_mm / 2)),
        lower.to_patient((0.0, 0.0, lower.spec.height_mm / 2)),
    )
    # Polar decomposition: the rotation nearest to the mean of the two.
    u, _, vt = np.linalg.svd(upper.rotation + lower.rotation)
    thinner = min(upper.spec, lower.spec, key=lambda spec: spec.width_mm)
    return PlacedVertebra(thinner, (ends[0] + ends[1]) / 2, u @ vt)


def disc_gaps(disc: PlacedDisc, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """How far LPS points lie above the lower, and below the upper, face of a disc, mm."""
    gaps = []
    for placed, upper in ((disc.lower, False), (disc.upper, True)):
        turn = placed.rotation.astype(np.float32)
        points = [
            axis - np.float32(middle) for axis, middle in zip((x, y, z), placed.centre, strict=True)
        ]
        local = [
            points[0] * turn[0, n] + points[1] * turn[1, n] + points[2] * turn[2, n]
            for n in range(3)
        ]
        shape = shapes.body(placed.spec, *local)
        gaps.append((shape.bottom if upper else shape.top) - np.float32(ENDPLATE_GAP_MM))
    return gaps[0], gaps[1]


def disc_inside(
    disc: PlacedDisc,
    frame: PlacedVertebra,
    local: tuple[Floats, Floats, Floats],
    gaps: tuple[Floats, Floats],
) -> Mask:
    """Which points belong to a disc.

    Parameters
    ----------
    frame
        From :func:`disc_frame`.
    local
        The points in that frame.
    gaps
        From :func:`disc_gaps`.
    """
    x, y, z = local
    side, _ = shapes.wall((frame.spec.width_mm, frame.spec.depth_mm), x, y, 1.0)
    between = (gaps[0] > 0) & (gaps[1] > 0) & (side < disc.spec.bulge_mm)
    # The endplates are continued outward; far off they may part again.
    return between & (np.abs(z) < 0.5 * disc.spec.height_mm + 8)
