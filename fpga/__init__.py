"""Boards: the host link, pins, and the build from RTL to a bitstream with open tools."""
