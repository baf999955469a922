"""Data sets of faces: readers by layout, crops cut by our own aligner, and batches of them."""
