"""How an image lies: the axis of its channels, and the way into canonical form (channels, *spatial) and out of it."""

from __future__ import annotations

import dataclasses

import numpy as np

from .numbers import Array


def normalise_channel_axis(channel_axis: int | None, ndim: int) -> int | None:
    """Return the channel axis as a non-negative number, and check that one to three spatial axes remain."""
    if channel_axis is not None:
        if isinstance(channel_axis, bool) or not isinstance(channel_axis, (int, np.integer)):
            raise TypeError(f"channel_axis must be an integer or None, got {channel_axis!r}")
        if not -ndim <= channel_axis < ndim:
            raise ValueError(f"channel_axis {channel_axis} is out of range for an image of {ndim} axes")
        channel_axis = int(channel_axis) % ndim
    spatial = ndim - (channel_axis is not None)
    if not 1 <= spatial <= 3:
        several = ": for several images call solve_batch (or compare, of a list), with channel_axis=0 where channels are first"
        remedy = several if spatial > 3 and channel_axis is None else ""
        raise ValueError(f"an image has 1 to 3 axes beside the channel axis, got {spatial}{remedy}")
    return channel_axis


def to_canonical(array: Array, channel_axis: int | None, lead: int = 0) -> Array:
    """Return the view or copy with the channel axis first (after `lead` axes of its own), C-contiguous.

    Gray images get a channel axis of length one: penalties and kernels see (channels, *spatial) only.
    """
    if channel_axis is None:
        return array.reshape(array.shape[:lead] + (1,) + array.shape[lead:])
    return np.ascontiguousarray(np.moveaxis(array, lead + channel_axis, lead))


def from_canonical(array: Array, channel_axis: int | None, lead: int = 0) -> Array:
    """Undo `to_canonical`; C-contiguous."""
    if channel_axis is None:
        return array.reshape(array.shape[:lead] + array.shape[lead + 1 :])
    return np.ascontiguousarray(np.moveaxis(array, lead, lead + channel_axis))


def canonical_shape(shape: tuple[int, ...], channel_axis: int | None) -> tuple[int, ...]:
    """Return the shape `to_canonical` gives."""
    if channel_axis is None:
        return (1, *shape)
    return (shape[channel_axis], *shape[:channel_axis], *shape[channel_axis + 1 :])


def user_shape(shape: tuple[int, ...], channel_axis: int | None, lead: int = 0) -> tuple[int, ...]:
    """The shape `from_canonical` gives."""
    if channel_axis is None:
        return shape[:lead] + shape[lead + 1 :]
    spatial = shape[lead + 1 :]
    return (*shape[:lead], *spatial[:channel_axis], shape[lead], *spatial[channel_axis:])


def to_4d(array: Array, lead: int = 0) -> Array:
    """View (lead..., channels, *spatial) as (lead..., channels, planes, rows, columns)."""
    spatial = array.shape[lead + 1 :]
    return array.reshape(array.shape[: lead + 1] + (1,) * (3 - len(spatial)) + spatial)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How images lie as the user has them: their shape, the axis of their channels (None where there is none), and their units.

    `into` brings an array into canonical form, `out` a canonical one back; which axis moves is told by the axis, never by
    shapes. Canonical values are the user's times `scale`, a power of two. Where an operator takes all channels at once its
    images are `kept` as they are.
    """

    shape: tuple[int, ...]
    axis: int | None
    kept: bool = False
    scale: float = 1.0

    @property
    def canonical(self) -> tuple[int, ...]:
        """The shape in canonical form."""
        return self.shape if self.kept else canonical_shape(self.shape, self.axis)

    def into(self, array: Array, name: str) -> Array:
        """An array with a number a pixel in canonical form, not scaled; raises ValueError where its shape is another."""
        if array.shape != self.shape:
            raise ValueError(f"{name} has shape {array.shape}, the image {self.shape}")
        return array if self.kept else to_canonical(array, self.axis)

    def into_all_channels(self, array: Array, name: str) -> Array:
        """`into`, and of an array without the channel axis the same for every channel."""
        if self.axis is None or array.shape != self.shape[: self.axis] + self.shape[self.axis + 1 :]:
            return self.into(array, name)
        return np.ascontiguousarray(self.into(np.broadcast_to(np.expand_dims(array, self.axis), self.shape), name))

    def out(self, array: Array, owned: bool = False) -> Array:
        """A fresh array in the user's layout and units; the array itself where it is `owned` and lies as it should."""
        return self.out_along(array, self.axis, 0, owned)

    def out_along(self, array: Array, axis: int | None, lead: int, owned: bool = False) -> Array:
        """`out`, of a dual with so many axes before the channels', which go to that one."""
        array = array if self.kept else from_canonical(array, axis, lead)
        if self.scale != 1:
            return np.array(array * array.dtype.type(1 / self.scale), order="C")
        whole = array.base
        # no view of another one, but that one where it is all of it
        # the same numbers in the same order where both lie in one piece
        if (
            owned
            and isinstance(whole, np.ndarray)
            and (whole.shape, whole.dtype) == (array.shape, array.dtype)
            and whole.flags.c_contiguous
            and array.flags.c_contiguous
        ):
            return whole
        return np.array(array, order="C")
