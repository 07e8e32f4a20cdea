"""A worked adapter between the macro port and off-the-shelf converters: docs/adapters.md."""
