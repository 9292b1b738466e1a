"""The one way kernels are compiled, and the two things Numba has no word for."""

from collections.abc import Callable
from typing import Any

import numba
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from ._cache import Kept, folder

Function = Callable[..., Any]


def jit(function: Function) -> Function:
    """Compile lazily, without the GIL, with NumPy's division, cached on disk where a cache can be written."""
    # Python's ZeroDivisionError check would keep every loop with a division from being vectorised.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    return _compile(function, options)


def inlined(function: Function) -> Function:
    """Compile as a part of the kernels that call it."""
    return numba.njit(error_model="numpy", forceinline=True)(function)


def in_both(function: Function) -> Function:
    """Leave the function to Python, and compile it where kernels call it."""
    return register_jitable(error_model="numpy")(function)


def jit_sum(function: Function) -> Function:
    """Compile like `jit`, and allow sums to be reordered; NaN and infinity still propagate."""
    return _compile(function, {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "nsz"}})


def jit_extremes(function: Function) -> Function:
    """Compile like `jit_sum`, for loops over finite numbers: minima and maxima ignore NaN."""
    return _compile(function, {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "nsz", "nnan"}})


def at_hand(kernel: Any, *arguments: Any) -> bool:
    """Whether a call with such arguments compiles nothing: in this process it has been compiled, or it is kept on disk."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return True
    types = tuple(kernel.typeof_pyval(argument) for argument in arguments)
    kept = isinstance(kernel._cache, Kept) and kernel._cache.holds(types, kernel.targetctx)
    return types in kernel.overloads or kept


def _compile(function: Function, options: dict[str, Any]) -> Function:
    compiled = numba.njit(**options)(function)
    place = folder()
    if place is not None and not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        compiled._cache = Kept(function, place)
    return compiled  # type: ignore[no-any-return]


if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    def borrowed(array: Any) -> Any:
        """The array itself."""
        return array

    def fma(a: Any, b: Any, c: Any) -> Any:
        """A * b + c."""
        return a * b + c

else:

    @intrinsic
    def borrowed(typing: Any, array: Any) -> Any:
        """The array without its reference count: slices of it cost nothing.

        For arguments only: an array made in the kernel would be freed at once.
        """

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            view = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            view.meminfo = cgutils.get_null_value(view.meminfo.type)
            view.parent = cgutils.get_null_value(view.parent.type)
            return view._getvalue()

        return array(array), generate

    @intrinsic
    def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
        """A * b + c rounded once: the same number in vectorised loops and in what is left over of them."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.fma(*arguments)

        return a(a, a, a), generate
