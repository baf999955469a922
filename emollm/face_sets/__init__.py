"""Data sets of faces: readers by layout, crops cut by our own aligner, and batches of them.

``prepare`` turns a ``FaceSource`` into a ``FaceSet``; ``read`` gives its rows as they stand in the source.

Letters in comments on shapes: n rows, S side of a crop, C classes, V columns of votes, U action units.
"""

from emollm.face_sets.face_set import FaceSet, Rows
from emollm.face_sets.prepare import CropSettings, prepare
from emollm.face_sets.raw import read
from emollm.face_sets.source import Columns, FaceSource

__all__ = ["Columns", "CropSettings", "FaceSet", "FaceSource", "Rows", "prepare", "read"]
