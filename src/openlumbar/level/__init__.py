"""Masks → vertebra names; for later: axial slice → disc level (design.md, section 1)."""
