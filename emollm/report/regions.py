"""Which parts of the face mesh each action unit moves, for lighting them up in a picture.

Points are numbers in MediaPipe's face mesh (468 points; 468–477 are the irises). The outlines are the connections that
MediaPipe publishes with the mesh; the filled areas were chosen by us on the canonical face after the descriptions of the
units in FACS. *Left* and *right* are the observed person's own sides.
"""

from typing import NamedTuple

from emollm.types import Side


class Region(NamedTuple):
    """A line or an area of the face mesh."""

    points: tuple[int, ...]
    """Mesh points in drawing order."""
    closed: bool = True
    side: Side | None = None
    """None for regions on the midline."""


IRIS_CENTRES: dict[Side, int] = {Side.RIGHT: 468, Side.LEFT: 473}
"""Mesh point in the middle of each iris; only in meshes of 478 points."""

NOSE_TIP = 1
"""Mesh point from which the axes of the head are drawn."""

MESH_POINTS = 478
"""Points of the mesh with irises; without them it has 468."""

_MOUTH_INNER_TOP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_MOUTH_INNER_BOTTOM = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_LIPS_TOP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_LIPS_BOTTOM = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
_FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

_MIDLINE: dict[str, Region] = {
    "face_oval": Region(_FACE_OVAL),
    "lips": Region((*_LIPS_TOP, *_LIPS_BOTTOM[-2:0:-1])),
    "lip_upper": Region((*_LIPS_TOP, *_MOUTH_INNER_TOP[::-1])),
    "lip_lower": Region((*_LIPS_BOTTOM, *_MOUTH_INNER_BOTTOM[::-1])),
    "mouth_opening": Region((*_MOUTH_INNER_TOP, *_MOUTH_INNER_BOTTOM[-2:0:-1])),
    "forehead_centre": Region((66, 107, 9, 336, 296, 299, 337, 151, 108, 69)),
    "glabella": Region((55, 107, 9, 336, 285, 417, 168, 193)),
    "nose_bridge": Region((193, 168, 417, 351, 412, 399, 456, 281, 5, 51, 236, 174, 188, 122)),
    "nose_line": Region((168, 6, 197, 195, 5, 4, 1), closed=False),
    "nose_base": Region((98, 97, 2, 326, 327), closed=False),
    "chin": Region((204, 194, 83, 18, 313, 418, 424, 431, 262, 369, 396, 175, 171, 140, 32, 211)),
    "jaw": Region((58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288), closed=False),
}

_RIGHT: dict[str, tuple[tuple[int, ...], bool]] = {
    "brow": ((46, 53, 52, 65, 55, 107, 66, 105, 63, 70), True),
    "brow_inner": ((52, 65, 55, 107, 66, 105), True),
    "brow_outer": ((46, 53, 52, 105, 63, 70), True),
    "forehead_side": ((70, 63, 105, 66, 69, 104, 68, 71), True),
    "eye": ((33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246), True),
    "iris": ((469, 470, 471, 472), True),
    "lid_upper": ((33, 246, 161, 160, 159, 158, 157, 173, 133, 190, 56, 28, 27, 29, 30, 247, 130), True),
    "lid_lower": (
        (33, 7, 163, 144, 145, 153, 154, 155, 133, 243, 233, 232, 231, 230, 229, 228, 31, 226, 130),
        True,
    ),
    "cheek": ((116, 117, 118, 119, 100, 142, 36, 205, 187, 147, 123), True),
    "cheek_lower": ((205, 187, 192, 214, 212, 216, 206), True),
    "nose_wing": ((134, 198, 209, 129, 64, 98, 97, 44, 220), True),
    "nasolabial_fold": ((129, 203, 206, 216, 212), False),
    "mouth_corner": ((216, 186, 40, 78, 91, 43, 202, 212), True),
}

_LEFT: dict[str, tuple[int, ...]] = {
    "brow": (276, 283, 282, 295, 285, 336, 296, 334, 293, 300),
    "brow_inner": (282, 295, 285, 336, 296, 334),
    "brow_outer": (276, 283, 282, 334, 293, 300),
    "forehead_side": (300, 293, 334, 296, 299, 333, 298, 301),
    "eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
    "iris": (474, 475, 476, 477),
    "lid_upper": (263, 466, 388, 387, 386, 385, 384, 398, 362, 414, 286, 258, 257, 259, 260, 467, 359),
    "lid_lower": (263, 249, 390, 373, 374, 380, 381, 382, 362, 463, 453, 452, 451, 450, 449, 448, 261, 446, 359),
    "cheek": (345, 346, 347, 348, 329, 371, 266, 425, 411, 376, 352),
    "cheek_lower": (425, 411, 416, 434, 432, 436, 426),
    "nose_wing": (363, 420, 429, 358, 294, 327, 326, 274, 440),
    "nasolabial_fold": (358, 423, 426, 436, 432),
    "mouth_corner": (436, 410, 270, 308, 321, 273, 422, 432),
}

REGIONS: dict[str, tuple[Region, ...]] = {
    **{name: (region,) for name, region in _MIDLINE.items()},
    **{
        name: (Region(points, closed, Side.RIGHT), Region(_LEFT[name], closed, Side.LEFT))
        for name, (points, closed) in _RIGHT.items()
    },
}
"""Every named region; the paired ones have a part on each side."""

OUTLINES: tuple[str, ...] = ("face_oval", "brow", "eye", "iris", "nose_line", "nose_base", "lips", "mouth_opening")
"""Regions that are always drawn."""

UNIT_REGIONS: dict[str, tuple[str, ...]] = {
    "AU01": ("brow_inner", "forehead_centre"),
    "AU02": ("brow_outer", "forehead_side"),
    "AU04": ("brow", "glabella"),
    "AU05": ("lid_upper",),
    "AU06": ("cheek", "lid_lower"),
    "AU07": ("lid_upper", "lid_lower"),
    "AU09": ("nose_bridge", "nose_wing"),
    "AU10": ("lip_upper", "nasolabial_fold"),
    "AU11": ("nasolabial_fold",),
    "AU12": ("mouth_corner", "nasolabial_fold"),
    "AU13": ("mouth_corner", "cheek_lower"),
    "AU14": ("mouth_corner",),
    "AU15": ("mouth_corner", "lip_lower"),
    "AU16": ("lip_lower",),
    "AU17": ("chin", "lip_lower"),
    "AU18": ("lip_upper", "lip_lower"),
    "AU19": ("mouth_opening",),
    "AU20": ("mouth_corner", "lip_upper", "lip_lower"),
    "AU22": ("lip_upper", "lip_lower"),
    "AU23": ("lip_upper", "lip_lower"),
    "AU24": ("lip_upper", "lip_lower"),
    "AU25": ("mouth_opening", "lip_upper", "lip_lower"),
    "AU26": ("mouth_opening", "jaw"),
    "AU27": ("mouth_opening", "jaw"),
    "AU28": ("lip_upper", "lip_lower"),
    "AU29": ("jaw", "chin"),
    "AU30": ("jaw", "chin"),
    "AU33": ("cheek_lower",),
    "AU34": ("cheek_lower",),
    "AU38": ("nose_wing",),
    "AU43": ("lid_upper", "lid_lower"),
    "AU45": ("lid_upper", "lid_lower"),
    "AU46": ("lid_upper", "lid_lower"),
    **dict.fromkeys(("AU51", "AU52", "AU53", "AU54", "AU55", "AU56", "AU57", "AU58"), ("face_oval",)),
    **dict.fromkeys(("AU61", "AU62", "AU63", "AU64"), ("eye", "iris")),
}
"""Regions that each action unit moves."""
