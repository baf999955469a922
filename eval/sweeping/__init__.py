"""Variants of an evaluation's items: other wordings, streams taken out or swapped, noise, worse pictures; run by :mod:`emollm.eval.sweeps`."""
