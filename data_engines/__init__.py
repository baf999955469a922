"""Data engines: Observations and labels into instruction Samples that the evidence supports."""
