"""Spinal loads: measurements → a model of the person → muscle forces → loads on the discs."""
