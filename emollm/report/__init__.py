"""HTML pages and pictures that show an answer beside its evidence."""
