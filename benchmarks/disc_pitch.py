"""Distance from disc to disc in patients, which the reading of axial stacks starts from.

python benchmarks/disc_pitch.py --data ../shared/data

Of each annotated volume of SPIDER: the components of the disc mask larger than 1500 mm³, from
the lowest (L5-S1) upward, and the distances of neighbouring centroids. ``level/scale.py`` has
the means, ``level/stack.py`` the scatter between people.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

DISC, LEAST_MM3, LUMBAR = 2, 1500.0, 4
NAMES = ("L4-L5 to L5-S1", "L3-L4", "L2-L3", "L1-L2", "T12-L1", "T11-T12")


def steps_mm(path: Path) -> np.ndarray:
    image = nib.load(path)
    mask = np.asarray(image.dataobj) == DISC
    labels, count = ndimage.label(mask)
    numbers = np.arange(1, count + 1)
    voxel = abs(np.linalg.det(image.affine[:3, :3]))
    large = numbers[ndimage.sum_labels(mask, labels, numbers) * voxel > LEAST_MM3]
    centres = np.array(ndimage.center_of_mass(mask, labels, large))
    places = centres @ image.affine[:3, :3].T + image.affine[:3, 3]
    upward = places[places[:, 2].argsort()]
    return np.linalg.norm(np.diff(upward, axis=0), axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "spider_space"
    steps = [steps_mm(path) for path in sorted(folder.glob("*_dseg.nii.gz"))]
    print(f"{'from disc to disc':16}{'patients':>10}{'mean mm':>10}{'SD mm':>8}")
    for number, name in enumerate(NAMES):
        here = np.array([row[number] for row in steps if len(row) > number])
        print(f"{name:16}{len(here):10}{here.mean():10.1f}{here.std():8.1f}")
    lumbar = np.array([row[:LUMBAR] for row in steps if len(row) >= LUMBAR])
    relative = lumbar / lumbar.mean(axis=0)
    people = relative.mean(axis=1)
    print(f"person's length over the mean, SD of the logarithm: {np.log(people).std():.3f}")
    print(f"one level over its person's, SD: {(relative / people[:, None]).std():.3f}")


if __name__ == "__main__":
    main()
