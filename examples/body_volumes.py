"""Volume in view of each lumbar body, from an exam's folder.

Run it where a folder ``exam`` with the files of one exam lies: ``python body_volumes.py``
"""

import numpy as np

from openlumbar import analyze, read_exam
from openlumbar.core.anatomy import vertebra_code

analysis = analyze(read_exam("exam"))
for masks in analysis.masks.series:
    for name in ("L1", "L2", "L3", "L4", "L5"):
        voxels = sum((body.array == vertebra_code(name)).sum() for body in masks.bodies)
        volume_ml = voxels * np.prod(masks.bodies[0].spacing_mm) / 1000
        print(f"{masks.series}  {name}  {volume_ml:5.1f} ml")
