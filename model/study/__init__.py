"""Studies: many measurements of one kind, each of them a point, kept in one file and taken up again where they stopped."""
