"""Proofs of the rules of the write lines: `python -m formal.run`."""
