"""The figures of the axial model's card, on what it was never trained on.

    python benchmarks/validate_axial.py --data ../shared/data -o out/axial

- *exam*: MuscleMap's annotated exam (``musclemap/sub-01_axial``, 20 slices): Dice of each
  muscle over the whole exam, both sides together, the mean over slices and sides that the
  annotator outlined (1 cm² or more), and the error of the cross-sectional area there.
- *phantoms*: slices of unseen seeds, any level, tilt and contrast, where the picture was
  recognised: Dice and mean distance between boundaries of each structure, slice by slice where
  it covers 1 cm² or more; and Dice of all slices' areas together (``dice_of_all``).
- *cuts*: axial cuts of the report patients of ``spider_space``: antero-posterior diameter of
  the dural sac on its middle, network against annotator.
- *real*: every slice of ``sudirman_axial`` with its outlines on contact sheets, for the eye;
  which were recognised.

``--steps`` measures exam and phantoms also without N4 and without the standard frame.
``--card`` writes the figures into the model's card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion, distance_transform_edt

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AXIAL_TISSUE_NAMES, AxialMask, AxialTissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.models import hash_file, load_model
from openlumbar.phantom.axial_training import AxialTrainingCase, axial_training_cases
from openlumbar.recipes import read_recipe
from openlumbar.segment import segment_axial
from openlumbar.segment.axial import AxialOptions
from openlumbar.train.axial import single_slice
from openlumbar.train.axial_pictures import (
    classes_of_axial_mask,
    cut_axially,
    read_axial_array,
    widen,
)
from openlumbar.train.spider import read_outlines, read_spider_space

MUSCLES = AXIAL_TISSUE_NAMES[1:5]
#: Structures of less area in a slice are not judged there, mm².
LEAST_MM2 = 100.0
#: Seeds of phantoms for figures; those for training begin at 200,000.
FIRST_SEED = 7_000
CUT_MM, WIDE_MM = 0.625, 200.0
#: Half the width over which the sac's depth is averaged, mm.
MIDDLE_MM = 2.0
STEPS: dict[str, AxialOptions] = {
    "whole": AxialOptions(),
    "without N4": AxialOptions(bias=False),
    "without the standard frame": AxialOptions(align=False),
    "without either": AxialOptions(bias=False, align=False),
}
LIMITS = [
    "research use only; not for diagnosis",
    "learnt from phantoms, from three label maps and an average template of muscles in made-up "
    "pictures, from axial cuts of T2 SPACE volumes, and from 80 real slices of a handful of "
    "patients whose labels the network made itself; no annotated axial picture was learnt from",
    "one annotated exam of one person was there to be measured on",
    "vertebral body and disc are mixed up on a third of real slices, and at the pelvis iliacus "
    "is taken for psoas",
    "metal, tumour and childhood were not tested",
]

OVERVIEW_LIMITS = [
    "research use only; not for diagnosis",
    "coarse: it says where to look and whether two networks agree, and outlines nothing",
    "learnt from what the axial model learnt from, and from that model's labels of real slices",
]

Figures = dict[str, float]
#: Segments a series, with some steps or with all of them.
Segment = Callable[[Series, AxialOptions | None], tuple[AxialMask, ...]]


def segmenter(model: str, overview: str) -> Segment:
    """Segmentation by two networks, shipped ones by name or weights files."""
    fine, coarse = load_model(model), load_model(overview)

    def segment(series: Series, options: AxialOptions | None) -> tuple[AxialMask, ...]:
        return segment_axial(series, fine, None, options, coarse)

    return segment


def series_of(stack: NDArray, spacing_mm: tuple[float, float, float], name: str) -> Series:
    """``[slice upward, front→back, right→left]`` as an axial series."""
    slice_mm, row_mm, column_mm = spacing_mm
    affine = np.diag([column_mm, row_mm, slice_mm, 1.0])
    block = Block(Volume(stack, affine), tuple(f"{name}#{k}" for k in range(len(stack))))
    return Series(name, Plane.AXIAL, Weighting.UNKNOWN, (block,), "array")


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Overlap of two masks, 1 for the same and 0 for disjoint ones."""
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def boundary_distance(one: NDArray[np.bool_], other: NDArray[np.bool_], pixel_mm: float) -> float:
    """Mean distance between the boundaries of two masks, both ways, in millimetres."""
    if not one.any() or not other.any():
        return float("nan")
    edges = [mask & ~binary_erosion(mask) for mask in (one, other)]
    ways = [distance_transform_edt(~edges[1 - n])[edges[n]] for n in (0, 1)]
    return float(np.concatenate(ways).mean() * pixel_mm)


def classes(mask: AxialMask, index: int = 0) -> NDArray[np.uint8]:
    """A slice of a segmentation as classes of the network, sides together."""
    return classes_of_axial_mask(mask, index, sure=0)


# -- the annotated exam ------------------------------------------------------------------


def exam_figures(data: Path, segment: Segment, options: AxialOptions) -> dict[str, Figures]:
    """Dice and area error of each muscle on MuscleMap's annotated exam."""
    image, spacing = read_axial_array(data / "musclemap" / "sub-01_axial.nii.gz")
    truth, _ = read_axial_array(data / "musclemap" / "sub-01_axial_dseg.nii.gz")
    found = segment(series_of(image, spacing, "sub-01"), options)[0]
    codes = found.labels.array
    pixel_mm2 = spacing[1] * spacing[2]
    figures: dict[str, Figures] = {}
    for number, muscle in enumerate(MUSCLES):
        pairs = [
            (truth == 2 * number + 1 + offset, codes == _code(muscle, side))
            for offset, side in ((0, "right"), (1, "left"))
        ]
        both = [np.logical_or(*(pair[n] for pair in pairs)) for n in (0, 1)]
        slices = [
            (one, other)
            for sides in pairs
            for one, other in zip(*sides, strict=True)
            if one.sum() * pixel_mm2 >= LEAST_MM2
        ]
        errors = [abs(int(b.sum()) - int(a.sum())) / a.sum() * 100 for a, b in slices]
        figures[muscle] = {
            "dice": dice(*both),
            "dice_slice_mean": float(np.mean([dice(*pair) for pair in slices])),
            "csa_error_percent": float(np.mean(errors)),
            "csa_error_median_percent": float(np.median(errors)),
            "slices_and_sides": len(slices),
        }
    return figures


def _code(muscle: str, side: str) -> int:
    return next(c for c, s in BY_CODE.items() if s.name == muscle and s.side == side)


# -- phantoms ----------------------------------------------------------------------------


def phantom_cases(people: int) -> list[AxialTrainingCase]:
    """Slices of unseen seeds."""
    seeds = range(FIRST_SEED, FIRST_SEED + people)
    return [case for seed in seeds for case in axial_training_cases(np.random.default_rng(seed))]


def phantom_figures(
    cases: Sequence[AxialTrainingCase], segment: Segment, options: AxialOptions
) -> dict[str, Figures]:
    """Dice and boundary distance of each structure, and how many slices were recognised."""
    overlap: dict[str, list[float]] = {name: [] for name in AXIAL_TISSUE_NAMES[1:]}
    areas_mm2 = {name: np.zeros(2) for name in AXIAL_TISSUE_NAMES[1:]}
    away: dict[str, list[float]] = {name: [] for name in AXIAL_TISSUE_NAMES[1:]}
    recognised = 0
    for case in cases:
        step = (4.0, case.pixel_mm, case.pixel_mm)
        mask = segment(series_of(case.image[None], step, "p"), options)[0]
        recognised += bool(mask.labels.array.any())
        if not mask.labels.array.any():
            continue
        label = classes(mask)
        for kind, name in enumerate(AXIAL_TISSUE_NAMES[1:], 1):
            truth, read = case.label == kind, label == kind
            both = np.array([2 * (truth & read).sum(), truth.sum() + read.sum()])
            areas_mm2[name] += both * case.pixel_mm**2
            if truth.sum() * case.pixel_mm**2 >= LEAST_MM2:
                overlap[name].append(dice(truth, read))
                away[name].append(boundary_distance(truth, read, case.pixel_mm))
    figures = {
        name: {
            "dice": float(np.mean(overlap[name])),
            "dice_of_all": float(areas_mm2[name][0] / areas_mm2[name][1]),
            "dice_worst_tenth": float(np.percentile(overlap[name], 10)),
            "boundary_mm": float(np.nanmean(away[name])),
            "slices": len(overlap[name]),
        }
        for name in overlap
    }
    return {**figures, "recognised": {"share": recognised / len(cases), "slices": len(cases)}}


# -- the sac on axial cuts ---------------------------------------------------------------


def cut_figures(data: Path, segment: Segment, role: str) -> Figures:
    """Antero-posterior diameter of the sac on axial cuts, network against annotator."""
    patients = set(getattr(read_recipe("axial").held_out, role))
    errors: list[float] = []
    missed = 0
    for truth, found in _cuts(data, patients, segment):
        measured = sac_depth_mm(truth == AxialTissue.SAC, truth == AxialTissue.SAC)
        read = sac_depth_mm(found == AxialTissue.SAC, truth == AxialTissue.SAC)
        if measured < 3:
            continue
        missed += read == 0
        if read:
            errors.append(read - measured)
    return {
        "mae_mm": float(np.mean(np.abs(errors))),
        "bias_mm": float(np.mean(errors)),
        "within_1_mm_percent": float(np.mean(np.abs(errors) <= 1) * 100),
        "missed": missed,
        "cuts": len(errors) + missed,
        "patients": len(patients),
    }


def _cuts(
    data: Path, patients: set[str], segment: Segment
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    outlines = read_outlines(
        Path(__file__).parents[1] / "src/openlumbar/recipes/sacrum_outlines.json"
    )
    whole = AxialOptions(align=False, recognise=False)
    for path in sorted((data / "spider_space").glob("sub-*_T2w.nii.gz")):
        if str(int(path.name[4:7])) not in patients:
            continue
        volume = read_spider_space(path, outlines)
        rng = np.random.default_rng(int(path.name[4:7]))
        for narrow in cut_axially(volume, rng, 30, CUT_MM):
            # As wide as an axial picture, black beside the volume.
            cut = widen(narrow, round(WIDE_MM / CUT_MM), rng, p_smeared=0.0)
            series = series_of(cut.image[None], (4.0, CUT_MM, CUT_MM), cut.name)
            yield cut.label, classes(segment(series, whole)[0])


def sac_depth_mm(mask: NDArray[np.bool_], place: NDArray[np.bool_]) -> float:
    """Mean depth of a mask over the middle columns of ``place``."""
    middle = int(np.median(np.nonzero(place)[1]))
    half = round(MIDDLE_MM / CUT_MM)
    depth = mask[:, max(0, middle - half) : middle + half + 1].sum(0)
    return float(depth[depth > 0].mean() * CUT_MM) if (depth > 0).any() else 0.0


# -- real slices -------------------------------------------------------------------------

_COLOURS = np.array(
    [[0, 0, 0], [230, 60, 60], [70, 190, 70], [80, 110, 250], [240, 220, 60], [230, 230, 230],
     [190, 130, 70], [220, 70, 220], [60, 220, 230]], np.uint8,
)  # fmt: skip


def overlay(image: NDArray, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, and below it the picture with outlines."""
    grey = (np.clip(image / np.percentile(image, 97), 0, 1) ** 0.6 * 255).astype(np.uint8)
    plain = np.repeat(grey[:, :, None], 3, 2)
    drawn = plain.copy()
    for kind in range(1, len(AXIAL_TISSUE_NAMES)):
        mask = label == kind
        drawn[mask & ~binary_erosion(mask)] = _COLOURS[kind]
    return np.concatenate([plain, drawn], 0)


def real_figures(data: Path, segment: Segment, out: Path, columns: int = 5) -> Figures:
    """Draw every real slice, twenty a sheet; count those recognised."""
    tiles, recognised = [], 0
    for path in sorted((data / "sudirman_axial").glob("slice_*.png")):
        series = single_slice(path)
        mask = segment(series, None)[0]
        recognised += bool(mask.labels.array.any())
        tiles.append(overlay(series.blocks[0].volume.array[0], classes(mask))[:, 8:-8])
    for first in range(0, len(tiles), 2 * columns):
        page = tiles[first : first + 2 * columns]
        page += [np.zeros_like(page[0])] * (-len(page) % columns)
        rows = [np.concatenate(page[n : n + columns], 1) for n in range(0, len(page), columns)]
        Image.fromarray(np.concatenate(rows, 0)).save(out / f"real-{first:02d}.png")
    return {"slices": len(tiles), "recognised": recognised}


# -- all of it ---------------------------------------------------------------------------


def show(title: str, figures: dict[str, Figures] | Figures) -> None:
    """Print a table."""
    print(f"\n{title}")
    rows = figures if isinstance(next(iter(figures.values())), dict) else {"": figures}
    for name, values in rows.items():
        print(f"  {name:20}", "  ".join(f"{key} {value:.3f}" for key, value in values.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", "-o", type=Path, required=True)
    parser.add_argument("--model", default="axial", help="a shipped name, or a weights file")
    parser.add_argument("--overview", default="axial-overview", help="what looks first, likewise")
    parser.add_argument("--people", type=int, default=30, help="phantom people, six slices each")
    parser.add_argument("--role", choices=("tune", "report"), default="report")
    parser.add_argument("--only", choices=("exam", "phantoms", "cuts", "real"), action="append")
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--card", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    segment = segmenter(options.model, options.overview)
    wanted = options.only or ["exam", "phantoms", "cuts", "real"]
    cases = phantom_cases(options.people) if "phantoms" in wanted else []
    figures: dict[str, dict] = {}
    for step, how in STEPS.items() if options.steps else [("whole", STEPS["whole"])]:
        suffix = "" if step == "whole" else f", {step}"
        if "exam" in wanted:
            figures[f"exam{suffix}"] = exam_figures(options.data, segment, how)
        if "phantoms" in wanted:
            figures[f"phantoms{suffix}"] = phantom_figures(cases, segment, how)
    if "cuts" in wanted:
        figures["cuts"] = cut_figures(options.data, segment, options.role)
    if "real" in wanted:
        figures["real"] = real_figures(options.data, segment, options.out)
    for title, found in figures.items():
        show(title, found)
    (options.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    if options.card:
        write_results(options.model, options.people, figures, LIMITS)
        seen = {part: figures[part] for part in ("phantoms", "real") if part in figures}
        shares = {part: found.get("recognised", found) for part, found in seen.items()}
        write_results(options.overview, options.people, {"recognised": shares}, OVERVIEW_LIMITS)


def write_results(model: str, people: int, figures: dict[str, dict], limits: Sequence[str]) -> None:
    """Put the figures into the card of a shipped model."""
    folder = Path(__file__).parents[1] / "src/openlumbar/models/weights"
    path = folder / f"{model}.json"
    card = json.loads(path.read_text("utf-8"))
    card["results"] = {
        "command": "python benchmarks/validate_axial.py --data ../shared/data -o out/axial "
        f"--people {people}",
        **_rounded(figures),
    }
    card["limits"] = limits
    card["sha256"] = hash_file(folder / f"{model}.onnx")
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 3) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
