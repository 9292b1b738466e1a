"""Images in files, for the command line: read as floats, written back as they came."""

from __future__ import annotations

import dataclasses
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float

SUFFIXES = (".npy", ".png", ".tif", ".tiff")


class FileError(Exception):
    """A file that cannot be read or written; the message is one line."""


@dataclasses.dataclass
class Picture:
    """The numbers of a file: `image` is what is worked on, `alpha` is left alone."""

    image: Array
    alpha: Array | None
    dtype: np.dtype[Any]
    channel_axis: int | None

    @property
    def top(self) -> float:
        """The largest number of an integer type, by which the file's numbers were divided; 1 for floats."""
        return float(np.iinfo(self.dtype).max) if self.dtype.kind in "iu" else 1.0

    def describe(self) -> str:
        """Say in words what was read."""
        shape = "x".join(map(str, self.image.shape))
        kind = "gray" if self.channel_axis is None else f"colour (channels on axis {self.channel_axis})"
        if self.dtype.kind in "iu":
            return f"{shape} {self.dtype} {kind}, read as fractions of its range 0..{self.top:.0f}"
        return f"{shape} {self.dtype} {kind}, values as they are"

    def restore(self, x: Array) -> Array:
        """The numbers to write for the answer x, in the file's own type: rounded and clipped where it holds integers."""
        if self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            # the largest 64-bit integer is not a float: clip below it
            top = np.nextafter(float(limits.max) + 1.0, 0.0) if limits.max > 2**53 else float(limits.max)
            x = np.clip(np.rint(x * self.top), float(limits.min), top)
        elif self.dtype.kind == "b":
            x = x > 0.5
        x = x.astype(self.dtype)
        return x if self.alpha is None else np.concatenate([x, self.alpha], axis=self.channel_axis)


def read(path: Path, channel_axis: int | None = None) -> Picture:
    """Read a PNG, TIFF or .npy; raises FileError."""
    suffix = _suffix(path)
    try:
        if suffix == ".npy":
            array, colour = np.load(path, allow_pickle=False), None
        else:
            array, colour = _read_image(path)
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except Exception as error:  # the decoders raise all kinds
        raise FileError(f"{path}: cannot be read as {suffix[1:].upper()}: {_line(error)}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise FileError(f"{path}: holds {getattr(array, 'dtype', type(array).__name__)}, not real numbers")
    dtype, alpha = array.dtype, None
    if channel_axis is None and colour is not None:
        channel_axis = colour
        if array.shape[colour] in (2, 4):
            array, alpha = np.split(array, [array.shape[colour] - 1], axis=colour)
    picture = Picture(as_float(array, str(path)), alpha, dtype, channel_axis)
    if picture.top != 1:
        picture.image = picture.image / picture.top
    return picture


def write(path: Path, array: Array, overwrite: bool = False, channel_axis: int | None = None) -> None:
    """Write a PNG, TIFF or .npy, whole or not at all; raises FileError."""
    suffix = _suffix(path)

    def _fill(name: str) -> None:
        if suffix == ".npy":
            np.save(name, array)
        else:
            _write_image(name, array, channel_axis)

    _replace(path, overwrite, suffix, _fill)


def require_free(path: Path, overwrite: bool) -> None:
    """Raise FileError where a file would be replaced that is not to be, or a folder."""
    if path.is_dir():
        raise FileError(f"{path}: is a directory")
    if path.exists() and not overwrite:
        raise FileError(f"{path}: exists; --overwrite replaces it")


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write a text, whole or not at all; raises FileError."""
    _replace(path, overwrite, path.suffix, lambda name: Path(name).write_text(text, encoding="utf-8", newline=""))


def _replace(path: Path, overwrite: bool, suffix: str, fill: Callable[[str], object]) -> None:
    """Let a file beside it be filled, and put that in its place."""
    require_free(path, overwrite)
    try:
        handle, name = tempfile.mkstemp(suffix=suffix, prefix=".proxsparse-", dir=path.parent)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {_line(error)}") from None
    os.close(handle)
    try:
        fill(name)
        # mkstemp's files are private; a result is as readable as any new file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except Exception as error:
        raise FileError(f"{path}: cannot be written: {_line(error)}") from None
    finally:
        # gone already where all went well
        Path(name).unlink(missing_ok=True)


def matching(path: Path, truth: Path) -> list[Path]:
    """The file, or of a folder the files that are named as those in the folder `truth`, sorted by name."""
    if path.is_dir() != truth.is_dir():
        one, other = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise FileError(f"{path}: is a {one}, but {truth} is a {other}" if path.exists() else f"{path}: no such file or folder")
    if not path.is_dir():
        return [path]
    files = sorted(file for file in truth.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise FileError(f"{truth}: holds no {', '.join(SUFFIXES)}")
    stems = [file.stem for file in files]
    if len(set(stems)) < len(stems):
        raise FileError(f"{truth}: holds two images named {next(s for s in stems if stems.count(s) > 1)}")
    # a model may write another kind of file
    by_stem = {file.stem: file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES}
    for file in files:
        if file.stem not in by_stem:
            raise FileError(f"{path}: has no image named {file.stem}, which is in {truth}")
    return [by_stem[file.stem] for file in files]


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: unknown kind of file {suffix!r}; known are {', '.join(SUFFIXES)}")
    return suffix


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__


def _read_image(path: Path) -> tuple[Array, int | None]:
    """The numbers of a PNG or TIFF, and the axis of its colours where it has them."""
    # scikit-image's own readers, given bytes: on broken files they leave paths open
    content = path.read_bytes()
    if path.suffix.lower() != ".png":
        import tifffile

        with tifffile.TiffFile(io.BytesIO(content)) as file:
            series, photometric = file.series[0], file.series[0].keyframe.photometric
            if int(photometric) not in (0, 1, 2):
                raise ValueError(f"TIFF of photometric kind {int(photometric)} is neither gray nor RGB")
            return np.asarray(series.asarray()), series.axes.index("S") if "S" in series.axes else None
    import imageio.v3

    depth, colour = content[24:26] if content[:4] == b"\x89PNG" and len(content) > 26 else (8, 0)
    if depth == 16 and colour != 0:
        raise ValueError("PNG of 16 bits with colour or alpha would be cut to 8 bits; use TIFF or .npy")
    array = np.asarray(imageio.v3.imread(content, extension=".png"))
    return array, 2 if array.ndim == 3 else None


def _write_image(name: str, array: Array, channel_axis: int | None) -> None:
    if not name.endswith(".png"):
        import tifffile

        if channel_axis is None:
            tifffile.imwrite(name, array, photometric="minisblack")
        else:
            kind = "minisblack" if array.shape[channel_axis] < 3 else "rgb"
            tifffile.imwrite(name, array, photometric=kind, planarconfig="separate" if channel_axis == 0 else "contig")
        return
    import imageio.v3

    if array.dtype not in (np.uint8, np.uint16, np.bool_) or array.ndim not in (2, 3):
        raise ValueError(f"PNG cannot hold {array.ndim} axes of {array.dtype}; write .tif or .npy")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    # to memory first: given a file, the writer complains again when it is cleaned up after a full disk
    Path(name).write_bytes(imageio.v3.imwrite("<bytes>", array, extension=".png"))
