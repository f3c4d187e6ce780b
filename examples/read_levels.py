"""Levels that can be trusted, from the output of ``openlumbar analyze exam -o out``."""

from pathlib import Path

from openlumbar import Analysis, analyze, read_exam

out = Path("out")
if not out.exists():
    analyze(read_exam("exam")).save(out)

analysis = Analysis.load(out)
for row in analysis.levels.rows:
    if row.level_confidence >= 0.9 and not row.flags:
        place = f"({row.x_mm:.0f}, {row.y_mm:.0f}, {row.z_mm:.0f}) mm LPS"
        print(f"{row.series}  {row.level:8} {place}")
