"""How the load at L4-L5 grows with the weight in the hands, from an output folder."""

from pathlib import Path

from openlumbar import Analysis, analyze, read_exam
from openlumbar.mechanics import LoadsOptions, load_task, solve_loads

out = Path("out")
if not out.exists():
    analyze(read_exam("exam")).save(out)

analysis = Analysis.load(out)
lift = load_task("hess2023")
tasks = tuple(
    lift.model_copy(
        update={
            "name": f"{kg} kg",
            "title": f"60° of flexion, {kg} kg in each hand",
            "carried_kg": {"hand_right": kg, "hand_left": kg},
        }
    )
    for kg in (0, 5, 10)
)
loads = solve_loads(
    analysis.exam.subject,
    analysis.measurements,
    analysis.levels.rows,
    LoadsOptions(tasks=tasks, samples=0),
)
print(loads.missing, *loads.flags)
for task in loads.tasks:
    for load in task.loads:
        if load.level == "L4-L5":
            print(f"{task.title}: {load.compression_n:.0f} N, {load.shear_n:+.0f} N of shear")
