"""A package, so that it is this one that simulators and worker processes import: badcrossbar installs another `tests`."""
