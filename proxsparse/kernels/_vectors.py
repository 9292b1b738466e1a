"""Vectors of numbers, for kernels that say themselves what is done at once.

A vector has 64 bytes: 16 numbers of float32, 8 of float64; a processor of narrower registers works it in pieces. Every
operation rounds as IEEE 754 says, and sums add up in one order: the bits do not depend on the processor. Without compiling,
vectors are NumPy's arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    def splat(a: Any) -> Any:
        """A vector of one number."""
        a = np.asarray(a)
        return np.full(64 // a.itemsize, a)

    def load(array: Any, i: int) -> Any:
        """The numbers from i on."""
        return array[i : i + 64 // array.itemsize].copy()

    def load_double(array: Any, i: int) -> Any:
        """Eight numbers from i on, in float64."""
        return array[i : i + 8].astype(np.float64)

    def store(array: Any, i: int, v: Any) -> None:
        """Write the vector at i."""
        array[i : i + v.size] = v

    def add(a: Any, b: Any) -> Any:
        """A + b."""
        return a + b

    def sub(a: Any, b: Any) -> Any:
        """A - b."""
        return a - b

    def mul(a: Any, b: Any) -> Any:
        """A * b."""
        return a * b

    def div(a: Any, b: Any) -> Any:
        """A / b."""
        return a / b

    def largest(a: Any, b: Any) -> Any:
        """The larger one; b where either is NaN."""
        return np.where(a > b, a, b)

    def least(a: Any, b: Any) -> Any:
        """The smaller one; b where either is NaN."""
        return np.where(a < b, a, b)

    def vfma(a: Any, b: Any, c: Any) -> Any:
        """A * b + c."""
        return a * b + c

    def root(a: Any) -> Any:
        """The square root."""
        return np.sqrt(a)

    def where_larger(a: Any, b: Any, yes: Any, no: Any) -> Any:
        """The numbers of `yes` where a > b, else those of `no`."""
        return np.where(a > b, yes, no)

    def size(a: Any) -> Any:
        """The absolute value."""
        return np.abs(a)

    def shifted(a: Any, b: Any) -> Any:
        """All but the first number of a, then the first of b."""
        return np.append(a[1:], b[:1])

    def added_up(a: Any) -> Any:
        """The sum of the numbers: halves added to halves."""
        while a.size > 1:
            a = a[: a.size // 2] + a[a.size // 2 :]
        return a[0]

else:
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic, models, register_model

    class Vector(types.Type):
        """The type of vectors of one type of number."""

        def __init__(self, number: Any) -> None:
            self.number, self.lanes = number, 64 // (number.bitwidth // 8)
            super().__init__(f"vector({number})")

        @property
        def form(self) -> Any:
            """LLVM's type."""
            return ir.VectorType(ir.FloatType() if self.number == types.float32 else ir.DoubleType(), self.lanes)

        @property
        def suffix(self) -> str:
            """The end of the names of LLVM's functions."""
            return f"v{self.lanes}f{self.number.bitwidth}"

    @register_model(Vector)
    class _VectorModel(models.PrimitiveModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            super().__init__(manager, kind, kind.form)

    def _lanes(builder: Any, a: Any, b: Any, which: list[int]) -> Any:
        index = ir.Constant(ir.VectorType(ir.IntType(32), len(which)), which)
        return builder.shuffle_vector(a, b, index)

    def _place(context: Any, builder: Any, signature: Any, arguments: Any, form: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        return builder.bitcast(builder.gep(view.data, [arguments[1]], inbounds=True), form.as_pointer())

    @intrinsic
    def splat(typing: Any, a: Any) -> Any:
        """A vector of one number."""
        kind = Vector(a)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            none = ir.Constant(kind.form, ir.Undefined)
            one = builder.insert_element(none, arguments[0], ir.Constant(ir.IntType(32), 0))
            return _lanes(builder, one, none, [0] * kind.lanes)

        return kind(a), generate

    @intrinsic
    def load(typing: Any, array: Any, i: Any) -> Any:
        """The numbers from i on."""
        kind = Vector(array.dtype)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            found = builder.load(_place(context, builder, signature, arguments, kind.form))
            found.align = kind.number.bitwidth // 8
            return found

        return kind(array, types.intp), generate

    @intrinsic
    def load_double(typing: Any, array: Any, i: Any) -> Any:
        """Eight numbers from i on, in float64."""
        kind = Vector(types.float64)
        form = ir.VectorType(ir.FloatType() if array.dtype == types.float32 else ir.DoubleType(), 8)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            found = builder.load(_place(context, builder, signature, arguments, form))
            found.align = array.dtype.bitwidth // 8
            return builder.fpext(found, kind.form) if array.dtype == types.float32 else found

        return kind(array, types.intp), generate

    @intrinsic
    def store(typing: Any, array: Any, i: Any, v: Any) -> Any:
        """Write the vector at i."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            written = builder.store(arguments[2], _place(context, builder, signature, arguments, v.form))
            written.align = v.number.bitwidth // 8
            return context.get_dummy_value()

        return types.none(array, types.intp, v), generate

    def _pairwise(operation: Callable[..., Any], doc: str) -> Any:
        def function(typing: Any, a: Any, b: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                return operation(builder, *arguments)

            return a(a, b), generate

        function.__doc__ = doc
        return intrinsic(function)

    add = _pairwise(lambda builder, a, b: builder.fadd(a, b), "A + b.")
    sub = _pairwise(lambda builder, a, b: builder.fsub(a, b), "A - b.")
    mul = _pairwise(lambda builder, a, b: builder.fmul(a, b), "A * b.")
    div = _pairwise(lambda builder, a, b: builder.fdiv(a, b), "A / b.")
    largest = _pairwise(
        lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b), "The larger one; b where either is NaN."
    )
    least = _pairwise(
        lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b), "The smaller one; b where either is NaN."
    )

    def _function(name: str, many: int, doc: str) -> Any:
        def generate_for(kind: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                form = ir.FunctionType(kind.form, [kind.form] * many)
                return builder.call(
                    cgutils.get_or_insert_function(builder.module, form, f"llvm.{name}.{kind.suffix}"), arguments
                )

            return generate

        if many == 1:

            def one(typing: Any, a: Any) -> Any:
                return a(a), generate_for(a)

            one.__doc__ = doc
            return intrinsic(one)

        def three(typing: Any, a: Any, b: Any, c: Any) -> Any:
            return a(a, b, c), generate_for(a)

        three.__doc__ = doc
        return intrinsic(three)

    vfma = _function("fma", 3, "A * b + c, rounded once.")
    root = _function("sqrt", 1, "The square root.")
    size = _function("fabs", 1, "The absolute value.")

    @intrinsic
    def where_larger(typing: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
        """The numbers of `yes` where a > b, else those of `no`."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", arguments[0], arguments[1]), *arguments[2:])

        return a(a, a, a, a), generate

    @intrinsic
    def shifted(typing: Any, a: Any, b: Any) -> Any:
        """All but the first number of a, then the first of b."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, second = arguments
            return _lanes(builder, first, second, list(range(1, a.lanes + 1)))

        return a(a, b), generate

    @intrinsic
    def added_up(typing: Any, a: Any) -> Any:
        """The sum of the numbers: halves added to halves."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (v,), n = arguments, a.lanes
            while n > 1:
                n //= 2
                v = builder.fadd(_lanes(builder, v, v, list(range(n))), _lanes(builder, v, v, list(range(n, 2 * n))))
            return builder.extract_element(v, ir.Constant(ir.IntType(32), 0))

        return a.number(a), generate
