"""TIFF, by tifffile, and by Pillow where a compression needs a package that is not there."""

from __future__ import annotations

import dataclasses
import io
import logging
import xml.etree.ElementTree as ElementTree
from typing import Any, Literal

import numpy as np

from ..arrays.numbers import Array
from .picture import SPATIAL, FileError, Picture, check_page
from .raster import LOSSY, any_size

#: tags that say how the numbers are stored, point elsewhere in the file, or go by arguments of their own
_NOT_COPIED = {254, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 282, 283, 284, 296, 305, 317, 320}
_NOT_COPIED |= {322, 323, 324, 325, 330, 338, 339, 347, 400, 512, 513, 514, 519, 520, 521, 529, 530, 531, 532}
_NOT_COPIED |= {32997, 32998, 34665, 34853, 40965}
#: ImageJ's tags, of all pages
_OF_ALL = {50838, 50839}
#: how many dots of a unit of the resolution are one an inch
_PER_INCH = {2: 1.0, 3: 2.54}
_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = {6, 7}
_LOSSY = _JPEG | {33003, 33005, 34712, 34892}


@dataclasses.dataclass
class Page:
    """What a page says beside its numbers, as tifffile's writer takes it."""

    shape: tuple[int, ...]
    photometric: str
    told: dict[str, Any]


@dataclasses.dataclass
class Tiff:
    """What a TIFF says beside its numbers."""

    pages: list[Page]
    bigtiff: bool
    byteorder: Literal["<", ">"]


def read_tiff(name: str, content: bytes, page: int | None) -> Picture:
    """Read the images of a TIFF, with what is said of them; raises FileError, and what tifffile raises of broken files."""
    import tifffile

    # of what is odd in the metadata
    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            return _read(name, content, file, page)
    finally:
        log.disabled = before


def _read(name: str, content: bytes, file: Any, page: int | None) -> Picture:
    total, series = len(file.pages), file.series[0]
    check_page(name, page, total)
    if page is not None:
        first = file.pages[page].aspage()
        pages, axes, shape = [first], first.axes, first.shape
    else:
        if len(file.series) > 1 or any(own is None for own in series.pages):
            raise FileError(f"{name}: holds {total} pages of {_sizes(file)}: --page (0 to {total - 1}) takes one")
        pages, axes, shape = [own.aspage() for own in series.pages], series.axes, series.shape
        first = pages[0]
    photometric, packing = int(first.photometric), int(first.compression)
    # YCbCr as JPEG has it is unpacked as RGB
    if photometric not in (_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE) and not (photometric == _YCBCR and packing in _JPEG):
        raise FileError(f"{name}: its colours are of TIFF's kind {first.photometric.name.lower()}, neither gray nor RGB")
    if len(first.shape) > 3 or getattr(first, "imagedepth", 1) > 1:
        raise FileError(f"{name}: has pages of {first.shape}, which are volumes: write it as a stack")
    stored = _numbers(name, content, file, series, pages, page is None)
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False).reshape(shape)
    notes = [LOSSY] if packing in _LOSSY else []
    if photometric == _PALETTE:
        stored, axes = _colours(first)[stored], axes + "S"
        notes.append("its palette is written as RGB")
    axes, guess = _named(axes)
    samples = first.samplesperpixel
    # of an array, of ImageJ's or of OME's pages what the first says is of all
    alone = page is not None and total > 1 and series.kind not in ("uniform", "generic")
    alpha = [samples - len(first.extrasamples) + k for k, e in enumerate(first.extrasamples) if int(e) in (1, 2)]
    found = Picture(
        name,
        stored,
        axes,
        alpha=tuple(alpha),
        inverted=photometric == _WHITE_IS_0,
        range_told=_range(file, first, stored),
        sizes=_sizes_of_voxels(file, first),
        orientation=int(_value(first, 274, 1)),
        dpi=_dpi(first),
        colour_profile=_value(first, 34675, None),
        extra=Tiff([_page(own, alone) for own in pages], file.is_bigtiff, file.byteorder),
        notes=notes,
        guess=guess,
    )
    if len(series.levels) > 1 or first.subifds:
        found.notes.append("its smaller copies are not written")
    return found


def _sizes(file: Any) -> str:
    """How many pages of which size, in words."""
    shapes = ["x".join(map(str, own.shape)) for own in file.pages]
    return ", ".join(f"{shapes.count(shape)} of {shape}" for shape in dict.fromkeys(shapes))


# -- numbers -----------------------------------------------------------------------------------------------------------


def _numbers(name: str, content: bytes, file: Any, series: Any, pages: list[Any], whole: bool) -> Array:
    """The numbers of the pages, by Pillow where tifffile knows no way to unpack them."""
    try:
        return np.asarray(series.asarray() if whole else pages[0].asarray())
    except (ValueError, NotImplementedError) as error:
        if "imagecodecs" not in str(error) and not isinstance(error, NotImplementedError):
            raise
    planes = _by_pillow(content, pages)
    if planes is None:
        packing = f"{pages[0].compression.name} of {'x'.join(map(str, pages[0].shape))} {pages[0].dtype}"
        raise FileError(f"{name}: to unpack {packing} takes a package: pip install imagecodecs")
    return np.stack(planes)


def _by_pillow(content: bytes, pages: list[Any]) -> list[Array] | None:
    """The pages' numbers as the file has them, or None where Pillow reads others, or none."""
    from PIL import Image

    try:
        with any_size(), Image.open(io.BytesIO(content), formats=["TIFF"]) as image:
            planes = []
            for page in pages:
                image.seek(page.index)
                planes.append(_plane(np.array(image), image.mode, page))
    except Exception:  # whatever it stumbles over
        return None
    return None if any(plane is None for plane in planes) else planes  # type: ignore[return-value]


def _plane(array: Array, mode: str, page: Any) -> Array | None:
    dtype = np.dtype(page.dtype).newbyteorder("=")
    # it cuts some kinds to 8 bits, and takes the alpha out of colours that are multiplied by it
    cut = array.shape != page.shape or array.dtype.itemsize < dtype.itemsize or array.dtype.kind not in "biuf"
    if cut or mode == "YCbCr" or 1 in map(int, page.extrasamples):
        return None
    found = array.astype(dtype)
    if not np.array_equal(found, array):
        return None
    # where 0 is white it turns the numbers of up to 8 bits around
    if int(page.photometric) == _WHITE_IS_0 and mode in ("1", "L"):
        found = ~found
    # and stretches few bits to 8
    return found // (255 // (2**page.bitspersample - 1)) if mode == "L" and page.bitspersample in (2, 4) else found


def _colours(page: Any) -> Array:
    """The colours of a palette, (n, 3)."""
    colours = np.asarray(page.colormap).T
    # 8 bits, as some write them and as others do
    return (colours >> 8).astype(np.uint8) if ((colours % 257 == 0) | (colours % 256 == 0)).all() else colours


def _named(axes: str) -> tuple[str, str]:
    """The letters of the axes, and what of them is a guess."""
    if axes.count("Q") == 1 and "Z" not in axes:
        # an array that was written as such, as `solve` takes it
        guess = "does not say what its first axis is, which is taken for depth: --axes TYX works plane by plane"
        return axes.replace("Q", "Z"), guess
    if "I" in axes and "Z" not in axes:
        return axes, "its pages are worked one by one: --axes ZYX takes them for a volume"
    return axes.replace("Q", "?"), ""


# -- what is said of them ----------------------------------------------------------------------------------------------


def _value(page: Any, code: int, otherwise: Any) -> Any:
    tag = page.tags.get(code)
    return otherwise if tag is None else tag.value


def _page(page: Any, alone: bool) -> Page:
    """The tags of a page that are copied; a page that is written alone goes without those that describe all pages."""
    palette = int(page.photometric) == _PALETTE
    told: dict[str, Any] = {
        "subfiletype": int(page.subfiletype) if 254 in page.tags else None,
        "planarconfig": int(page.planarconfig) if page.samplesperpixel > 1 else None,
        "extrasamples": [int(e) for e in page.extrasamples] or None,
        "compression": None if int(page.compression) == 1 else "zlib",
        "description": None if alone else _raw(page, 270),
        "software": _raw(page, 305),
        "extratags": [
            (*tag.astuple()[:4], True)
            for tag in page.tags
            if tag.code not in _NOT_COPIED and int(tag.dtype) not in (13, 18) and not (alone and tag.code in _OF_ALL)
        ],
    }
    if 282 in page.tags and 283 in page.tags:
        told |= {"resolution": (_value(page, 282, 1), _value(page, 283, 1)), "resolutionunit": int(_value(page, 296, 2))}
    if 1 < page.bitspersample < 8 * np.dtype(page.dtype).itemsize and not palette:
        # fewer bits than the bytes hold, which they are written with
        told["extratags"].append((281, 3, 1, 2**page.bitspersample - 1, True))
    return Page(
        (*page.shape, 3) if palette else page.shape,
        {_WHITE_IS_0: "miniswhite", _BLACK_IS_0: "minisblack"}.get(int(page.photometric), "rgb"),
        {key: value for key, value in told.items() if value is not None},
    )


def _raw(page: Any, code: int) -> bytes | None:
    """The text of a tag, word for word."""
    tag = page.tags.get(code)
    return None if tag is None else bytes(tag.astuple()[3]).rstrip(b"\0")


def _dpi(page: Any) -> tuple[float, float] | None:
    """Dots an inch, along X and Y."""
    resolution, per_inch = _resolution(page), _PER_INCH.get(int(_value(page, 296, 2)))
    return None if resolution is None or per_inch is None else (resolution[0] * per_inch, resolution[1] * per_inch)


def _resolution(page: Any) -> tuple[float, float] | None:
    """Dots a unit, along X and Y; None where they are not told, or no numbers."""
    x, y = _value(page, 282, None), _value(page, 283, None)
    return None if x is None or y is None or 0 in (*x, *y) else (x[0] / x[1], y[0] / y[1])


def _range(file: Any, page: Any, stored: Array) -> float | None:
    """The largest number that the samples could have, where the file tells it."""
    if stored.dtype.kind != "u" or int(page.photometric) == _PALETTE:
        return None
    told = [float(2**page.bitspersample - 1)] if page.bitspersample < 8 * stored.dtype.itemsize else []
    pixels = _ome_pixels(file)
    if pixels is not None and pixels.get("SignificantBits", "").isdigit():
        told.append(float(2 ** int(pixels.get("SignificantBits")) - 1))
    largest = _value(page, 281, None)
    largest = max(largest) if isinstance(largest, tuple) else largest
    # of all bits, and no maximum of these very numbers
    if largest is not None and (largest & (largest + 1)) == 0:
        told.append(float(largest))
    return next((top for top in told if top >= stored.max()), None)


def _ome_pixels(file: Any) -> Any:
    """The element of OME's description that tells of the pixels."""
    if not file.is_ome:
        return None
    root = ElementTree.fromstring(file.ome_metadata)
    return next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)


#: multiples of a micrometre, of the units that OME and ImageJ name
_LENGTHS = {"nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "\\u00b5m": 1.0, "mm": 1e3, "cm": 1e4}
_LENGTHS |= {"m": 1e6, "inch": 25400.0, "å": 1e-4}


def _sizes_of_voxels(file: Any, page: Any) -> dict[str, float]:
    """The distance of samples along the axes of space, in one unit."""
    pixels = _ome_pixels(file)
    if pixels is not None:
        told = {}
        for letter in SPATIAL:
            size, unit = pixels.get(f"PhysicalSize{letter}"), pixels.get(f"PhysicalSize{letter}Unit", "µm").lower()
            if size is not None and unit in _LENGTHS:
                told[letter] = float(size) * _LENGTHS[unit]
        return told
    resolution = _resolution(page)
    if resolution is None:
        return {}
    sizes = {"X": 1 / resolution[0], "Y": 1 / resolution[1]}
    about = file.imagej_metadata or {}
    if "spacing" in about and isinstance(about["spacing"], (int, float)):
        sizes["Z"] = abs(float(about["spacing"]))
    return sizes


# -- writing -----------------------------------------------------------------------------------------------------------


def write_tiff(name: str, picture: Picture, array: Array) -> None:
    """Write the numbers of a picture, as a TIFF that says what the one that was read does."""
    import tifffile

    tiff = picture.extra if isinstance(picture.extra, Tiff) else None
    if tiff is None:
        _write_plain(tifffile, name, picture, array)
        return
    shape = tiff.pages[0].shape
    planes = array.reshape(-1, *shape)
    pages = tiff.pages
    if len(planes) > len(pages):
        # stored as one after the first page
        later = Page(shape, pages[0].photometric, pages[0].told | {"extratags": [], "description": None})
        pages = [pages[0], *[later] * (len(planes) - 1)]
    with tifffile.TiffWriter(
        name, bigtiff=tiff.bigtiff or array.nbytes > 2**32 - 2**25, byteorder=tiff.byteorder, ome=False, imagej=False
    ) as file:
        for plane, page in zip(planes, pages, strict=True):
            file.write(plane, photometric=page.photometric, metadata=None, contiguous=False, **page.told)


def _write_plain(tifffile: Any, name: str, picture: Picture, array: Array) -> None:
    """Write what came from another kind of file."""
    axes = picture.axes[:-1] + "S" if picture.axes.endswith("C") else picture.axes
    told: dict[str, Any] = {"photometric": "minisblack", "metadata": {"axes": axes}}
    if "S" in axes:
        channels = array.shape[axes.index("S")]
        colours = 3 if channels - len(picture.alpha) == 3 else 1
        told["photometric"] = "rgb" if colours == 3 else "minisblack"
        told["planarconfig"] = "contig" if axes.endswith("S") else "separate"
        told["extrasamples"] = [2 if k in picture.alpha else 0 for k in range(colours, channels)] or None
    tags = []
    if picture.orientation != 1:
        tags.append((274, 3, 1, picture.orientation, True))
    if picture.dpi is not None:
        told |= {"resolution": tuple(map(float, picture.dpi)), "resolutionunit": 2}
    tifffile.imwrite(name, array, iccprofile=picture.colour_profile, extratags=tags, **told)


def require_tiff(name: str, picture: Picture) -> None:
    """Raise FileError where a TIFF cannot hold the picture."""
    axes = picture.axes
    if not {"Y", "X"} <= {*axes}:
        raise FileError(f"{name}: TIFF holds rows and columns, not {axes}; write .npy")
    if not isinstance(picture.extra, Tiff) and "S" in axes and not axes.endswith(("S", "SYX")):
        raise FileError(f"{name}: TIFF has the samples of a pixel last or before its rows, not {axes}; write .npy")
