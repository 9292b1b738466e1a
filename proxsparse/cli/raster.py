"""PNG, JPEG, BMP and WebP, by Pillow."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from .picture import FileError, Picture, check_page, turned

#: Pillow's modes that are arrays as they are, and those that become such without a loss
_MODES = ("1", "L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I;16N", "I")
#: chunks of a PNG that another one takes over word for word; colour profile, resolution and Exif go by Pillow's own ways
_KEPT = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"tIME", b"tEXt", b"zTXt", b"iTXt")
#: Pillow's names of the kinds that are read, whatever the file is called
_KINDS = ("PNG", "JPEG", "BMP", "WEBP")
_ORIENTATION = 274
LOSSY = "its noise is not white, as compression has lost some of it: weights that are chosen may be too small"


def read_raster(name: str, content: bytes, page: int | None) -> Picture:
    """Read an image of a kind that Pillow knows; raises FileError, and what Pillow raises of broken files."""
    from PIL import Image

    with any_size(), Image.open(io.BytesIO(content), formats=_KINDS) as image:
        kind = image.format
        # of a phone's picture the further ones are for depth and looks
        frames = 1 if kind == "MPO" else getattr(image, "n_frames", 1)
        check_page(name, page, frames)
        if page is not None:
            image.seek(page)
        elif frames > 1:
            raise FileError(f"{name}: holds {frames} pages: --page (0 to {frames - 1}) takes one")
        chunks = _chunks(content) if kind == "PNG" else []
        stored = _numbers(name, image, chunks)
        picture = Picture(
            name,
            stored,
            "YX" if stored.ndim == 2 else "YXS",
            alpha=(stored.shape[2] - 1,) if stored.ndim == 3 and stored.shape[2] in (2, 4) else (),
            orientation=int(image.getexif().get(_ORIENTATION, 1)),
            dpi=image.info.get("dpi"),
            colour_profile=image.info.get("icc_profile"),
            exif=image.info.get("exif"),
        )
    if stored.dtype == np.uint16:
        picture.range_told = _range(chunks, stored)
    if picture.dpi is not None:
        x, y = (float(n) for n in picture.dpi)
        picture.sizes = {"X": 1 / x, "Y": 1 / y} if min(x, y) > 0 else {}
    picture.extra = [(chunk, data) for chunk, data in chunks if chunk in _KEPT]
    if kind in ("JPEG", "MPO") or (kind == "WEBP" and b"VP8 " in _webp_chunks(content)):
        picture.notes.append(LOSSY)
    return picture


def _numbers(name: str, image: Any, chunks: list[tuple[bytes, bytes]]) -> Array:
    """The array of an image, palettes and transparent colours resolved."""
    depth, colour = chunks[0][1][8:10] if chunks else (8, 0)
    if depth == 16 and (colour != 0 or "transparency" in image.info):
        raise FileError(f"{name}: a PNG of 16 bits with colour or alpha would be cut to 8 bits; use TIFF or .npy")
    transparent = "transparency" in image.info
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if transparent or image.mode == "PA" else "RGB")
    elif image.mode in ("1", "L", "RGB") and transparent:
        if colour == 0 and depth in (2, 4):
            # the gray that is transparent is stretched to 8 bits as the others are
            image.load()
            image.info["transparency"] *= 255 // (2**depth - 1)
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if image.mode not in _MODES:
        raise FileError(f"{name}: its colours are {image.mode}, neither gray nor RGB")
    array = np.array(image)
    # Pillow's name for 16 bits has changed
    return array.astype(np.uint16) if array.dtype.kind in "iu" and array.dtype.itemsize > 1 else array


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, its numbers apart: names and contents."""
    found, at = [], 8
    while at + 8 <= len(content):
        size, chunk = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if chunk != b"IDAT":
            found.append((chunk, content[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _webp_chunks(content: bytes) -> list[bytes]:
    """The names of a WebP's chunks."""
    found, at = [], 12
    while at + 8 <= len(content):
        found.append(content[at : at + 4])
        at += 8 + (int.from_bytes(content[at + 4 : at + 8], "little") + 1) // 2 * 2
    return found


def _range(chunks: list[tuple[bytes, bytes]], stored: Array) -> float | None:
    """65535 where a PNG tells its significant bits: it scales them up to all 16. None where its numbers say that it did not."""
    bits = next((max(data) for chunk, data in chunks if chunk == b"sBIT" and data), None)
    return None if bits is None or stored.max() < 2**bits else 65535.0


@contextlib.contextmanager
def any_size() -> Iterator[None]:
    """Pillow's guard against pictures from the web is not for one's own files."""
    from PIL import Image

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            # of what is odd in the metadata
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


#: suffix -> Pillow's name of the kind, and the modes that it holds here without a loss
_WRITTEN = {
    ".png": ("PNG", ("1", "L", "LA", "RGB", "RGBA", "I;16")),
    ".bmp": ("BMP", ("1", "L", "RGB")),
    ".webp": ("WEBP", ("RGB", "RGBA")),
}


def _mode(picture: Picture) -> str:
    """Pillow's mode of the numbers; "" where there is none."""
    shape, dtype = picture.stored.shape, picture.stored.dtype
    if len(picture.image_axes) != len(picture.axes) or {*picture.image_axes} - {*"YXSC"} or not {*"YX"} <= {*picture.axes}:
        return ""
    channels = 0 if picture.channel_axis is None else shape[picture.channel_axis]
    if dtype == np.uint16:
        return "I;16" if channels == 0 else ""
    if dtype.kind == "b" and channels == 0:
        return "1"
    if dtype != np.uint8:
        return ""
    # four bands of which none is alpha are no picture
    return {0: "L", 2: "LA" if picture.alpha else "", 3: "RGB", 4: "RGBA" if picture.alpha else ""}.get(channels, "")


def require_raster(name: str, suffix: str, picture: Picture) -> None:
    """Raise FileError where a kind of file cannot hold the picture."""
    kind, modes = _WRITTEN[suffix]
    if _mode(picture) not in modes:
        what = f"{picture.stored.ndim} axes ({picture.axes}) of {picture.stored.dtype}"
        raise FileError(f"{name}: {kind} cannot hold {what}; write .tif or .npy")


def write_raster(name: str, suffix: str, picture: Picture, array: Array) -> None:
    """Write numbers as they look to a file of that kind."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    if picture.channel_axis is not None:
        array = np.moveaxis(array, picture.channel_axis, -1)
    if picture.axes.index("Y") > picture.axes.index("X"):
        array = np.swapaxes(array, 0, 1)
    kind = _WRITTEN[suffix][0]
    if kind == "BMP":
        # it tells no orientation
        array = turned(array, picture.orientation, 0, 1)
    image = Image.fromarray(np.ascontiguousarray(array))
    told: dict[str, Any] = {"icc_profile": picture.colour_profile, "exif": _exif(picture), "dpi": picture.dpi}
    if kind == "PNG" and isinstance(picture.extra, list):
        told["pnginfo"] = PngInfo()
        for chunk, data in picture.extra:
            told["pnginfo"].add(chunk, data)
    elif kind == "WEBP":
        told |= {"lossless": True, "exact": True}
    # to memory first: given a file, the writer complains again when it is cleaned up after a full disk
    memory = io.BytesIO()
    image.save(memory, kind, **{key: value for key, value in told.items() if value is not None})
    with open(name, "wb") as file:
        file.write(memory.getvalue())


def _exif(picture: Picture) -> bytes | None:
    """The Exif of the file, or of what else told an orientation."""
    if picture.exif is not None or picture.orientation == 1:
        return picture.exif
    from PIL import Image

    exif = Image.Exif()
    exif[_ORIENTATION] = picture.orientation
    return exif.tobytes()
