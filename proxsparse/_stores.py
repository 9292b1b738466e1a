"""Arrays of which parts are read and written: what a user gives, and files that a later call finds again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ._arrays import Array, as_float, canonical_shape, from_canonical, normalise_channel_axis, to_canonical
from ._cut import Region


class Image:
    """An array with slices, as images (channels, *spatial) of its regions."""

    def __init__(self, array: Any, channel_axis: int | None) -> None:
        self.array = array
        self.axis = normalise_channel_axis(channel_axis, len(array.shape))
        self.shape = canonical_shape(tuple(array.shape), self.axis)
        if len(self.shape) < 3:
            raise ValueError("signals are solved whole: use solve")
        if 0 in self.shape:
            raise ValueError(f"source is empty: shape {array.shape}")
        # of its own kind, and of no other: an error names it
        self.dtype = as_float(np.zeros(0, array.dtype), "source").dtype

    def _index(self, region: Region) -> tuple[slice, ...]:
        index = list(region)
        if self.axis is not None:
            index.insert(self.axis, slice(None))
        return tuple(index)

    def read(self, region: Region) -> Array:
        """A copy of the region, or a view that is not to be written to."""
        return to_canonical(as_float(self.array[self._index(region)], "source"), self.axis)

    def write(self, region: Region, values: Array) -> None:
        """Write the region."""
        self.array[self._index(region)] = from_canonical(values, self.axis)


def kept_array(folder: Path | None, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros in memory, or in a file of that name; what an earlier call left there is kept."""
    if folder is None:
        return np.zeros(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        # whole from the first moment that it bears its name
        new = path.with_suffix(".new")
        np.lib.format.open_memmap(new, "w+", dtype, shape).flush()
        new.replace(path)
    array: Array = np.load(path, mmap_mode="r+")
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path} holds {array.shape} {array.dtype}, this problem has {shape} {dtype}: give another dual_store")
    return array


def share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays are the same, of one memory, or of one file."""
    if a is b:
        return True
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    files = file_of(a), file_of(b)
    return np.may_share_memory(a, b) or (None not in files and Path(str(files[0])).samefile(str(files[1])))


def file_of(array: Any) -> str | None:
    """The file that a memory-mapped array is of, or a view of one."""
    while array is not None:
        if isinstance(array, np.memmap) and array.filename is not None:
            return str(array.filename)
        array = getattr(array, "base", None)
    return None
