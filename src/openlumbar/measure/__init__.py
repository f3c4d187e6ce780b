"""Named masks → measurements with their rulers (design.md, section 4)."""
