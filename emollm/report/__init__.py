"""HTML pages that show an answer beside its evidence."""
