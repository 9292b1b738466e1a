"""Arrays of which parts are read and written: what a user gives, and files that a later call finds again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.layout import canonical_shape, from_canonical, normalise_channel_axis, to_canonical
from ..arrays.numbers import Array, as_float
from .partition import Region


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
        try:
            np.lib.format.open_memmap(new, "w+", dtype, shape).flush()
            allocate(new)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        new.replace(path)
    try:
        # opened for writing a file that is too short would be made longer
        array: Array = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is no array of an earlier call ({error}): remove it, or give another dual_store") from None
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path} holds {array.shape} {array.dtype}, this problem has {shape} {dtype}: give another dual_store")
    allocate(path)
    return np.asanyarray(np.load(path, mmap_mode="r+"))


def allocate(path: Path) -> None:
    """Have the disk hold all of a file: a mapped file with holes kills the process where the disk is full.

    Raises
    ------
    OSError
        There is no room, or the system does not let the file grow.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    size = path.stat().st_size
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            # some file systems know no such call
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise OSError(error.errno, f"no room for {size} bytes, {error.strerror}", str(path)) from None


def share_memory(out: Any, source: Any) -> bool:
    """Whether two arrays are the same, of one memory, of one file, or of one store under two handles.

    What handles have in common they do not tell: a number is written to `out`, looked for in `source`, and taken back.
    """
    if out is source:
        return True
    if isinstance(out, np.ndarray) and isinstance(source, np.ndarray):
        files = file_of(out), file_of(source)
        return np.shares_memory(out, source) or (None not in files and Path(str(files[0])).samefile(str(files[1])))
    first = (slice(0, 1),) * len(out.shape)
    before, seen = np.array(out[first]), np.array(source[first])
    other = np.ones_like(before) if (seen != 1).all() else np.zeros_like(before)
    try:
        out[first] = other
        return bool((np.array(source[first]) == other).all())
    finally:
        out[first] = before


def is_of(array: Any, folder: Path) -> bool:
    """Whether an array is of a file in that folder, or a view of one."""
    name = file_of(array)
    if name is None or not folder.is_dir():
        return False
    return any(path.samefile(name) for path in folder.iterdir()) if Path(name).exists() else False


def file_of(array: Any) -> str | None:
    """The file that a memory-mapped array is of, or a view of one."""
    while array is not None:
        if isinstance(array, np.memmap) and array.filename is not None:
            return str(array.filename)
        array = getattr(array, "base", None)
    return None
