"""Measured pulse responses to device files: `table` reads, `joint` and `steps` fit, `spread` and `device` write."""
