"""OpenSim's own static optimisation and joint reaction say what ours say."""

import numpy as np
import pytest
from support_model import lever, random_muscles, spine, upright

from openlumbar.mechanics.model import Posture
from openlumbar.mechanics.osim_build import build
from openlumbar.mechanics.osim_tools import opensim_loads
from openlumbar.mechanics.reactions import joint_forces
from openlumbar.mechanics.solve import SolveOptions, solve
from openlumbar.mechanics.statics import GRAVITY_M_PER_S2, statics

pytest.importorskip("opensim")

#: Bent forward alone: OpenSim's reserves act about its coordinates, ours about the discs' axes,
#: and in the sagittal plane these are the same.
BENT = Posture(
    pelvis_flexion_deg=20.0,
    joints_deg={"L5_S1": (6.0, 0.0, 0.0), "L2_L3": (5.0, 0.0, 0.0)},
    carried_kg={"upper_arm_right": 2.0, "upper_arm_left": 2.0},
    pushed_n={"thorax": (0.0, -20.0, 0.0)},
)
RESERVES = {"reserve_optimal_nm": 10.0, "reserve_bound_nm": 500.0}


def test_a_lever_is_held_by_its_muscle_alone():
    posture = Posture()
    made = lever([upright("back_r", 0.05, 2000.0)], mass_kg=30.0, ahead_m=0.1)
    found = opensim_loads(build(made, posture), ["L5_S1"], SolveOptions(reserve_optimal_nm=0.01))
    weight = 30.0 * GRAVITY_M_PER_S2
    assert found.force_n["back_r"] == pytest.approx(2 * weight, rel=1e-4)
    np.testing.assert_allclose(found.joint_n, [[0.0, -3 * weight, 0.0]], rtol=1e-4, atol=0.1)


@pytest.mark.parametrize(
    "options",
    [
        SolveOptions(power=2, **RESERVES),
        SolveOptions(power=3, **RESERVES),
        SolveOptions(power=2, activation_floor=0.02, **RESERVES),
    ],
    ids=["squares", "cubes", "floor"],
)
def test_loads_of_opensim_are_ours(options):
    made = spine(random_muscles(60), stiffness=(60.0, 70.0, 90.0))
    balance = statics(made, BENT)
    solution = solve(balance, options)
    found = opensim_loads(build(made, BENT), balance.joints, options)
    ours = joint_forces(balance, solution)
    scale = np.linalg.norm(ours, axis=1).max()
    np.testing.assert_allclose(found.joint_n, ours, atol=1e-4 * scale)
    forces = solution.activation * balance.strength_n
    theirs = [found.force_n[name] for name in balance.muscles]
    np.testing.assert_allclose(theirs, forces, atol=1e-4 * scale)
