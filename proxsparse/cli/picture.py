"""What a file holds: its numbers, what its axes are, and all that goes back into the file that is written."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float


class FileError(Exception):
    """A file that cannot be read or written; the message is one line."""


#: letters of axes: of space, of channels (samples of a pixel before channels of a stack); all others number images
SPATIAL, CHANNELS = "ZYX", "SC"


@dataclasses.dataclass
class Picture:
    """The numbers of a file, as they are stored, and what they mean.

    `axes` has a letter for each axis of `stored`. `sizes` are the distances of samples along axes that the file tells, in any
    one unit. `extra` is what only a writer of the same kind of file understands.
    """

    name: str
    stored: Array
    axes: str
    #: the samples of a pixel that are alpha, and are left alone
    alpha: tuple[int, ...] = ()
    #: whether 0 is white
    inverted: bool = False
    #: the largest number that an integer image could hold, where that is known
    range_told: float | None = None
    sizes: dict[str, float] = dataclasses.field(default_factory=dict)
    #: as Exif and TIFF number them: how the rows and columns are to be turned for looking at
    orientation: int = 1
    #: dots an inch, along X and Y
    dpi: tuple[float, float] | None = None
    colour_profile: bytes | None = None
    exif: bytes | None = None
    extra: Any = None
    #: what the user is to know
    notes: list[str] = dataclasses.field(default_factory=list)
    #: what is guessed of the axes, where nobody says them
    guess: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.stored, np.ndarray) or self.stored.dtype.kind not in "biuf":
            what = getattr(self.stored, "dtype", type(self.stored).__name__)
            raise FileError(f"{self.name}: holds {what}, not real numbers")
        self.stored = self.stored.astype(self.stored.dtype.newbyteorder("="), copy=False)
        if self.range_told is None and self.stored.dtype.kind in "bu" and self.stored.dtype.itemsize == 1:
            self.range_told = 1.0 if self.stored.dtype == bool else 255.0
        #: the number that becomes 1
        self.top = 1.0
        if self.stored.dtype.kind in "iu":
            self.top = self.range_told or float(np.iinfo(self.stored.dtype).max)

    # -- the axes ------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _channel_at(self) -> int | None:
        """The axis of the channels, among all axes."""
        return next((self.axes.index(letter) for letter in CHANNELS if letter in self.axes), None)

    @functools.cached_property
    def _stack_axes_at(self) -> list[int]:
        """The axes that number images."""
        return [i for i, letter in enumerate(self.axes) if letter not in SPATIAL and i != self._channel_at]

    @functools.cached_property
    def _image_axes_at(self) -> list[int]:
        """The axes of one image."""
        return [i for i in range(len(self.axes)) if i not in self._stack_axes_at]

    @property
    def channel_axis(self) -> int | None:
        """The axis of the channels in each image."""
        return None if self._channel_at is None else self._image_axes_at.index(self._channel_at)

    @property
    def image_axes(self) -> str:
        """The letters of one image's axes."""
        return "".join(self.axes[i] for i in self._image_axes_at)

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """The distance of samples along each spatial axis, as multiples of the smallest, where the file tells them all."""
        letters = [letter for letter in self.image_axes if letter in SPATIAL]
        sizes = [self.sizes.get(letter, 0.0) for letter in letters]
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            return None
        relative = tuple(round(size / min(sizes), 6) for size in sizes)
        # of rounded resolutions
        return None if max(relative) < 1.001 else relative

    # -- the numbers ---------------------------------------------------------------------------------------------------

    @property
    def _worked_channels(self) -> list[int] | None:
        """The channels that are worked on, or None for all."""
        if not self.alpha or self._channel_at is None:
            return None
        return [k for k in range(self.stored.shape[self._channel_at]) if k not in self.alpha]

    @property
    def _without_alpha(self) -> Array:
        """The numbers that are worked on, as they are stored."""
        channels = self._worked_channels
        return self.stored if channels is None else np.take(self.stored, channels, axis=self._channel_at)

    @property
    def images(self) -> list[Array]:
        """The images as floats: black is 0, the top of an integer type's range is 1."""
        array = self._turned_over(as_float(self._without_alpha, self.name))
        return list(self._as_stack(array if self.top == 1 else array / self.top))

    @property
    def largest(self) -> float:
        """The largest number as it is stored, alpha apart."""
        return float(self._without_alpha.max())

    def _turned_over(self, numbers: Array) -> Array:
        """Numbers in which 0 is black for those in which it is white, and the other way round."""
        if not self.inverted or self.stored.dtype.kind == "f":
            return numbers
        return -1 - numbers if self.stored.dtype.kind == "i" else self.top - numbers

    def _as_stack(self, array: Array) -> Array:
        """(N, *axes of an image)."""
        moved = np.transpose(array, [*self._stack_axes_at, *self._image_axes_at])
        return moved.reshape(-1, *moved.shape[len(self._stack_axes_at) :])

    def restore(self, images: list[Array], as_seen: bool = False) -> Array:
        """The numbers to write for these answers: rounded, clipped and of the file's own type; alpha as it was.

        As they look, or else as the file has them, where 0 may be white.
        """
        x, dtype = np.stack(images), self.stored.dtype
        if dtype.kind in "iu":
            x = np.rint(x * self.top)
        if not as_seen:
            x = self._turned_over(x)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            # the largest 64-bit integer is not a float: clip below it
            top = np.nextafter(float(limits.max) + 1.0, 0.0) if limits.max > 2**53 else float(limits.max)
            x = np.clip(x, float(limits.min), top)
        elif dtype.kind == "b":
            x = x > 0.5
        whole, x = self.stored.copy(), x.astype(dtype)
        # a transposed view, into which the answers go
        stack = np.transpose(whole, [*self._stack_axes_at, *self._image_axes_at])
        if self._worked_channels is None:
            stack[...] = x.reshape(stack.shape)
        else:
            channel = self.channel_axis or 0
            stack, found = np.moveaxis(stack, len(self._stack_axes_at) + channel, 0), np.moveaxis(x, 1 + channel, 0)
            stack[self._worked_channels] = found.reshape(len(found), *stack.shape[1:])
        return whole

    def turned(self, array: Array) -> Array:
        """An array of the file's axes as it is to be looked at."""
        return turned(array, self.orientation, self.axes.find("Y"), self.axes.find("X"))

    @property
    def looked_at(self) -> list[Array]:
        """The images as they are to be looked at."""
        rows, columns = self.image_axes.find("Y"), self.image_axes.find("X")
        return [turned(image, self.orientation, rows, columns) for image in self.images]

    def describe(self) -> str:
        """Say in words what was read."""
        shape = "x".join(map(str, self.stored.shape))
        kind = "gray" if self._channel_at is None else f"colour (channels on axis {self._channel_at})"
        if self.alpha:
            kind += ", alpha kept"
        if self._stack_axes_at or "Z" in self.axes:
            each = "volume" if "Z" in self.axes else "image"
            n = math.prod(self.stored.shape[i] for i in self._stack_axes_at)
            kind += f", axes {self.axes}, {n} {each}{'s' if n != 1 else ''}"
        if self.spacing is not None:
            kind += f", spacing {' x '.join(f'{s:g}' for s in self.spacing)}"
        if self.stored.dtype.kind in "iu":
            return f"{shape} {self.stored.dtype} {kind}, read as fractions of its range 0..{self.top:.0f}"
        return f"{shape} {self.stored.dtype} {kind}, values as they are"


def turned(array: Array, orientation: int, rows: int, columns: int) -> Array:
    """The array as it is to be looked at, by the number that Exif and TIFF give the orientation (1 to 8)."""
    if not 2 <= orientation <= 8:
        return array
    if orientation >= 5:
        array = np.swapaxes(array, rows, columns)
    flips = {2: (columns,), 3: (rows, columns), 4: (rows,), 5: (), 6: (columns,), 7: (rows, columns), 8: (rows,)}
    return np.ascontiguousarray(np.flip(array, flips[orientation]))


def check_page(name: str, page: int | None, pages: int) -> None:
    """Raise FileError where there is no such page."""
    if page is not None and not 0 <= page < pages:
        raise FileError(f"{name}: holds {pages} pages: --page is one of 0 to {pages - 1}, got {page}")


def settle_axes(axes: str, shape: tuple[int, ...], name: str, asked: str | None, channel_axis: int | None) -> str:
    """The letter of each axis, as asked for or as the file tells them; raises FileError where they do not fit."""
    if asked is not None:
        letters = asked.upper()
        if channel_axis is not None:
            raise FileError("give --axes or --channel-axis, not both: C among the axes is the channels")
        if len(letters) != len(shape):
            raise FileError(f"{name}: --axes {asked} names {len(letters)} axes, the file has {len(shape)}: {shape}")
        axes = letters
    elif channel_axis is not None:
        if not -len(shape) <= channel_axis < len(shape):
            raise FileError(f"{name}: --channel-axis {channel_axis} is out of range for {len(shape)} axes")
        at = channel_axis % len(shape)
        others = [i for i in range(len(shape)) if i != at]
        if any(axes[i] in CHANNELS for i in others):
            raise FileError(f"{name}: has the axes {axes}: --axes says which are which")
        if len(others) <= 3 and all(axes[i] in SPATIAL for i in others):
            axes = SPATIAL[3 - len(others) :][:at] + "S" + SPATIAL[3 - len(others) :][at:]
        axes = axes[:at] + "S" + axes[at + 1 :]
    for letter in SPATIAL + CHANNELS:
        if axes.count(letter) > 1:
            raise FileError(f"{name}: the axes {axes} have {letter} twice")
    if "?" in axes or not set(axes) & set(SPATIAL):
        raise FileError(
            f"{name}: has {len(shape)} axes {shape}, and does not say which are which: give --axes, as in TZYX or CYX (Z, Y, "
            "X of space, C of channels, any other letter numbers images)"
        )
    return axes
