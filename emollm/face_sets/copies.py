"""Tiles of FER+ that stand in two of its splits, pixel by pixel: a net that was trained on one of them was told the other one's label."""

from hashlib import blake2b
from pathlib import Path

from numpy.typing import NDArray

from emollm import ferplus


def copies(file: Path, split: str, of: str | None = None) -> frozenset[str]:
    """Ids of the tiles of one split that equal a tile of another one, whether they are labelled or not.

    Args:
        file: The npz (:func:`emollm.ferplus.read`).
        split: Whose tiles are looked up, such as ``valid``.
        of: Where they are looked for, such as ``train``; in all other splits of the file if not given.

    Raises:
        DataError: Not such a file, or a split without rows.
    """
    others = [one for one in ferplus.splits(file) if one != split] if of is None else [of]
    known = {_digest(tile) for one in others for tile in ferplus.read(file, one).images}
    tiles = ferplus.read(file, split).images
    return frozenset(tile_id(split, row) for row, tile in enumerate(tiles) if _digest(tile) in known)


def tile_id(split: str, row: int) -> str:
    """What a tile is called as an item: ``ferplus/valid/000012`` for row 12 of the split, counted from 0."""
    return f"ferplus/{split}/{row:06d}"


def _digest(tile: NDArray) -> bytes:
    return blake2b(tile.tobytes(), digest_size=16).digest()
