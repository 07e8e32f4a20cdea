"""The report of a run: its figures, and the page that they are on."""
