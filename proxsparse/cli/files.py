"""Files of images, for the command line: read with what they say, written whole or not at all."""

from __future__ import annotations

import functools
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from .picture import CHANNELS, SPATIAL, FileError, Picture, settle_axes
from .raster import read_raster, require_raster, write_raster
from .tiff import read_tiff, require_tiff, write_tiff

_RASTER = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_TIFF = (".tif", ".tiff")
_NUMPY = (".npy", ".npz")
#: what is read
SUFFIXES = (*_NUMPY, *_RASTER, *_TIFF)
#: kinds of files that other packages read, and how what they hold becomes one of ours
_ELSEWHERE = {
    (".h5", ".hdf5", ".he5"): ("HDF5", "h5py", 'x = h5py.File("{0}")["NAME"][...]'),
    (".nii", ".nii.gz"): ("NIfTI", "nibabel", 'x = nibabel.load("{0}").get_fdata()'),
    (".dcm", ".dicom"): ("DICOM", "pydicom", 'x = pydicom.dcmread("{0}").pixel_array'),
    (".mat",): ("MATLAB's", "scipy.io", 'x = scipy.io.loadmat("{0}")["NAME"]'),
}


def read(path: Path, channel_axis: int | None = None, axes: str | None = None, page: int | None = None) -> Picture:
    """Read a file of one of the kinds in SUFFIXES; raises FileError.

    `axes` are letters that replace what the file says of its axes (Z, Y, X of space, C or S of channels, any other numbers
    images), `page` chooses one of many.
    """
    suffix, name = _suffix(path), str(path)
    try:
        if suffix in _NUMPY:
            picture = _read_numpy(path, name)
        else:
            # the decoders are given bytes: on broken files they leave paths open
            read_content = read_tiff if suffix in _TIFF else read_raster
            picture = read_content(name, path.read_bytes(), page)
    except FileError:
        raise
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except Exception as error:  # the decoders raise all kinds
        raise FileError(f"{path}: cannot be read as {suffix[1:].upper()}: {_line(error)}") from None
    if page is not None and suffix in _NUMPY:
        raise FileError(f"{path}: --page is for files of pages; --axes says what the axes of an array are")
    if 0 in picture.stored.shape:
        raise FileError(f"{path}: is empty: shape {picture.stored.shape}")
    if picture.guess and axes is None and channel_axis is None:
        picture.notes.append(picture.guess)
    before, picture.axes = picture.axes, settle_axes(picture.axes, picture.stored.shape, name, axes, channel_axis)
    if picture.alpha and picture.axes[before.index("S")] not in CHANNELS:
        raise FileError(f"{path}: has alpha on axis {before.index('S')}, which must be C among --axes")
    return picture


def _read_numpy(path: Path, name: str) -> Picture:
    found, key = np.load(path, allow_pickle=False), None
    if not isinstance(found, np.ndarray):
        with found:
            if len(found.files) != 1:
                raise FileError(f"{path}: holds {len(found.files)} arrays, {', '.join(found.files)}: save the one alone")
            key = found.files[0]
            found = found[key]
    # of more axes nothing is known
    axes = SPATIAL[-found.ndim :] if 0 < found.ndim <= 3 else "?" * found.ndim
    guess = "is taken for a volume: --axes CYX or YXC says that it has channels, TYX that it is images, ZYX that it is one"
    return Picture(name, found, axes, extra=key, guess=guess if found.ndim == 3 else "")


def require_writable(path: Path, overwrite: bool) -> None:
    """Raise FileError where a file cannot be put, before the work that it is for."""
    if path.is_dir():
        raise FileError(f"{path}: is a directory")
    _require_free(path, overwrite)
    if not path.parent.is_dir():
        raise FileError(f"{path}: cannot be written: {path.parent}: no such directory")
    os.unlink(_beside(path))


def _require_free(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FileError(f"{path}: exists; --overwrite replaces it")


def require_suffix(path: Path) -> None:
    """Raise FileError where images are not written to files of that kind."""
    written = [suffix for suffix in SUFFIXES if suffix not in (".jpg", ".jpeg")]
    if path.suffix.lower() not in SUFFIXES:
        raise FileError(f"{path}: unknown kind of file {path.suffix!r} to write; known are {', '.join(written)}")
    if path.suffix.lower() not in written:
        raise FileError(f"{path}: JPEG would change the answer; write .png")


def require_holds(path: Path, picture: Picture) -> None:
    """Raise FileError where a file of that name cannot hold the answer to the picture."""
    suffix = _suffix(path)
    if suffix in _TIFF:
        require_tiff(str(path), picture)
    elif suffix not in _NUMPY:
        require_raster(str(path), suffix, picture)


def write(path: Path, picture: Picture, images: list[Array], overwrite: bool = False) -> None:
    """Write the answers to the images of a picture, whole or not at all; raises FileError."""
    suffix = _suffix(path)
    require_holds(path, picture)
    array = picture.restore(images, as_seen=suffix not in _TIFF)
    if suffix in _TIFF:
        fill: Callable[[str], Any] = functools.partial(write_tiff, picture=picture, array=array)
    elif suffix in _NUMPY:
        fill = functools.partial(_write_numpy, suffix=suffix, picture=picture, array=array)
    else:
        fill = functools.partial(write_raster, suffix=suffix, picture=picture, array=array)
    _replace(path, overwrite, fill)


def _write_numpy(name: str, suffix: str, picture: Picture, array: Array) -> None:
    array = picture.turned(array)
    if suffix == ".npy":
        np.save(name, array)
    else:
        key = picture.extra if isinstance(picture.extra, str) else "x"
        # np.savez takes no array of a name that is an argument's
        with zipfile.ZipFile(name, "w") as file, file.open(f"{key}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, array, allow_pickle=False)


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write a text, whole or not at all; raises FileError."""
    _replace(path, overwrite, lambda name: Path(name).write_text(text, encoding="utf-8", newline=""))


def _beside(path: Path) -> str:
    """A new file beside that one; raises FileError."""
    try:
        handle, name = tempfile.mkstemp(suffix=path.suffix.lower(), prefix=".proxsparse-", dir=path.parent)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or _line(error)}") from None
    os.close(handle)
    return name


def _replace(path: Path, overwrite: bool, fill: Callable[[str], object]) -> None:
    """Let a file beside it be filled, and put that in its place."""
    _require_free(path, overwrite)
    name = _beside(path)
    try:
        fill(name)
        # mkstemp's files are private; a result is as readable as any new file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except Exception as error:
        raise FileError(f"{path}: cannot be written: {_line(error).replace(name, str(path))}") from None
    finally:
        # gone already where all went well
        Path(name).unlink(missing_ok=True)


def matching(path: Path, truth: Path) -> tuple[list[Path], list[Path]]:
    """The file, or of a folder the files that are named as those in the folder `truth`, by name; and the files left out."""
    if path.is_dir() != truth.is_dir():
        one, other = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise FileError(f"{path}: is a {one}, but {truth} is a {other}" if path.exists() else f"{path}: no such file or folder")
    if not path.is_dir():
        return [path], []
    files = [file for file in _visible(truth) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise FileError(f"{truth}: holds no {', '.join(SUFFIXES)}")
    _by_stem(truth)
    # a model may write another kind of file
    by_stem = _by_stem(path)
    for file in files:
        if file.stem not in by_stem:
            raise FileError(f"{path}: has no image named {file.stem}, which is in {truth}")
    taken = [by_stem[file.stem] for file in files]
    return taken, [file for file in _visible(path) if file not in taken]


def _by_stem(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without suffix, of which there must be one each."""
    found: dict[str, Path] = {}
    for file in _visible(folder):
        if file.suffix.lower() in SUFFIXES:
            if file.stem in found:
                raise FileError(f"{folder}: holds two images named {file.stem}")
            found[file.stem] = file
    return found


def _visible(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    for endings, (kind, package, line) in _ELSEWHERE.items():
        if path.name.lower().endswith(endings):
            lines = f'{line.format(path)}; numpy.save("{path.with_name(path.name.partition(".")[0])}.npy", x)'
            raise FileError(f"{path}: {kind} files are read by {package}: {lines}")
    raise FileError(f"{path}: unknown kind of file {suffix!r}; known are {', '.join(SUFFIXES)}")


def _line(error: Exception) -> str:
    """The first line of what an error says, without names that say nothing."""
    said = str(error).strip().split("\n")[0]
    return "its content is of another kind" if "BytesIO" in said else said or type(error).__name__
