"""How near the model's joints come to a phantom's discs, and how real spines lie supine.

    python benchmarks/joint_centres.py --phantoms 6 --data ../shared/data

Phantoms of unseen seeds have one sagittal T2 series. Its true masks, and those that the shipped
network predicts, are named and measured as a user's, and made the frames that a model is built
from; a disc's truth is the middle between the middles of its endplates. Of the annotated patients
of ``spider_space`` the sixth disc counted from the lowest is taken for T12-L1: how far it lies in
front of the lowest disc, to the right and above.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from openlumbar import analyze
from openlumbar.core.exam import Weighting
from openlumbar.level import name_levels
from openlumbar.measure import measure_sagittal
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.scale import scaled
from openlumbar.mechanics.spine import MeasuredSpine, generic_spine, measured_spine
from openlumbar.mechanics.spine_readings import DISCS, VERTEBRAE
from openlumbar.phantom import Phantom, PhantomOptions, make_phantom
from openlumbar.phantom.anatomy import sample_anatomy
from openlumbar.phantom.flawless import flawless_tissue
from openlumbar.phantom.geometry import place

FIRST_SEED = 7001
#: Label of the discs in ``spider_space``, and the voxels of the smallest that counts.
DISC_LABEL, LEAST_VOXELS = 2, 500


def spines(phantom: Phantom) -> dict[str, MeasuredSpine]:
    """The spine by true and by predicted masks."""
    series, truth = phantom.exam.series[0], phantom.truth.series[0]
    subject = phantom.exam.subject
    model = scaled(base_model(subject.sex), subject.height_m, subject.mass_kg)
    named = name_levels(series, flawless_tissue(truth))
    true = measure_sagittal(series, named.masks, named.rows)
    found = analyze(phantom.exam)
    return {
        "true": measured_spine(true, named.rows, model),
        "predicted": measured_spine(found.measurements, found.levels.rows, model),
    }


def errors_mm(phantom: Phantom, spine: MeasuredSpine) -> dict[str, float]:
    """Of discs, and of S1's upper endplate, by name."""
    truth = {disc.spec.name: disc.middle for disc in place(phantom.anatomy).discs}
    truth["S1"] = np.zeros(3)
    return {
        name: float(np.linalg.norm(spine.frames[name].middle_mm - truth[spine.names[name]]))
        for name in (*DISCS, VERTEBRAE[-1])
        if spine.names[name] in truth
    }


def phantoms(count: int) -> None:
    """Print the errors of some phantoms, each level's mean and largest."""
    options = PhantomOptions(contrasts=(Weighting.T2,), axial_contrasts=())
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        phantom = make_phantom(seed, options)
        for masks, spine in spines(phantom).items():
            if not spine.measured:
                print(f"seed {seed}, {masks} masks: {', '.join(spine.flags)}; not counted")
                continue
            for name, error in errors_mm(phantom, spine).items():
                found[masks, name].append(error)
    print(f"joint centres, {count} phantoms: mean and largest distance, mm\n")
    print("| | true masks | predicted masks |\n|---|---|---|")
    for name in (*DISCS, VERTEBRAE[-1]):
        both = [found[masks, name] for masks in ("true", "predicted")]
        print(f"| {name} | " + " | ".join(f"{np.mean(e):.1f} ({max(e):.1f})" for e in both) + " |")


def supine_course(folder: Path) -> None:
    """Print where T12-L1 lies over L5-S1 in annotated patients, phantoms and base models."""
    offsets = [_offset(path) for path in sorted(folder.glob("*_T2w_dseg.nii.gz"))]
    all_mm = np.array([offset for offset in offsets if offset is not None])
    mean, spread = all_mm.mean(axis=0), all_mm.std(axis=0, ddof=1)
    print(f"\nT12-L1 over L5-S1, mm, {len(all_mm)} patients supine: mean (SD)\n")
    print("| | forward | to the right | up |\n|---|---|---|---|")
    pairs = zip(mean, spread, strict=True)
    print("| patients | " + " | ".join(f"{m:.1f} ({s:.1f})" for m, s in pairs) + " |")
    many = np.array([_offset_of_phantom(seed) for seed in range(1, len(all_mm) + 1)])
    pairs = zip(many.mean(axis=0), many.std(axis=0, ddof=1), strict=True)
    print("| phantoms | " + " | ".join(f"{m:.1f} ({s:.1f})" for m, s in pairs) + " |")
    print("| the demo's | " + " | ".join(f"{value:.1f}" for value in many[0]) + " |")
    for sex in "MF":
        frames = generic_spine(base_model(sex)).frames
        apart = _forward_right_up(frames["T12-L1"].middle_mm - frames["L5-S1"].middle_mm)
        print(f"| base model {sex} | " + " | ".join(f"{value:.1f}" for value in apart) + " |")


def _offset(path: Path) -> np.ndarray | None:
    mask = nibabel.load(path)
    pieces, count = ndimage.label(np.asanyarray(mask.dataobj) == DISC_LABEL, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    kept = [n for n in range(1, count + 1) if sizes[n] > LEAST_VOXELS]
    if len(kept) < 6:
        return None
    centres = np.array(ndimage.center_of_mass(pieces > 0, pieces, kept))
    lps = (centres @ mask.affine[:3, :3].T + mask.affine[:3, 3]) * (-1, -1, 1)
    ordered = lps[np.argsort(lps[:, 2])]
    return _forward_right_up(ordered[5] - ordered[0])


def _offset_of_phantom(seed: int) -> np.ndarray:
    """As :func:`_offset`, of the anatomy that ``make_phantom`` draws for a seed."""
    drawn = np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[0])
    discs = place(sample_anatomy(drawn)).discs
    # The last is S1-S2.
    lowest = next(n for n, disc in enumerate(discs) if disc.spec.name.endswith("-S1"))
    return _forward_right_up(discs[lowest - 5].middle - discs[lowest].middle)


def _forward_right_up(lps: np.ndarray) -> np.ndarray:
    return np.array([-lps[1], -lps[0], lps[2]])


def main() -> None:
    """Parse the command line and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phantoms", type=int, default=6)
    parser.add_argument("--data", type=Path, help="development data; without it no patients")
    options = parser.parse_args()
    phantoms(options.phantoms)
    if options.data is not None:
        supine_course(options.data / "spider_space")


if __name__ == "__main__":
    main()
