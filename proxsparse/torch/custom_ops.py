"""The proximal operator and its derivative as operators of PyTorch, for its compiler, its exporter and `torch.func`.

``torch.ops.proxsparse.prox`` and ``prox_derivative`` take tensors, numbers and text alone, the penalty as its repr: so that a
program that was exported runs in another process, which imports `proxsparse.torch`. What they give under tracing is known from
their shapes; a batch of batches (`vmap`) is one batch.
"""

from __future__ import annotations

import ast
import functools
import weakref
from typing import Any

import numpy as np
import torch

from .. import penalties
from .._solve import solve_quietly
from ..penalties import Penalty
from ..problems.spec import ProblemSpec
from ..result import CollectedWarning, ConvergenceWarning, collect_warnings, warn, warn_of_collected
from ..runtime.workers import Workers
from .derivative import derivative, tied_pixels
from .maps import derivative_of_maps, weighted_penalties


@torch.library.custom_op("proxsparse::prox", mutates_args=())  # type: ignore[untyped-decorator]
def prox(
    image: torch.Tensor, weights: torch.Tensor, penalty: str, tol: float, maxiter: int, workers: int, differentiable: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The proximal points of images (batch, channels, *spatial); for a derivative them again, and which pixels are tied.

    Again, as the first may be written into. The penalty is multiplied by weights (batch,), or by maps (batch, k, *places).
    """
    given = image.detach().cpu()
    # NumPy knows no bfloat16
    given = given if given.dtype == torch.float64 else given.float()
    results: list[Any] = [None] * len(given)
    weighted = weighted_penalties(penalty_of(penalty), tuple(image.shape[1:]), weights)

    def _solve(i: int) -> None:
        options = {"maxiter": maxiter, "history": False}
        try:
            with collect_warnings(said, i):
                spec = ProblemSpec(given[i].numpy(), channel_axis=0)
                results[i] = solve_quietly(spec, weighted[i], tol=tol, options=options)
        except ValueError as error:
            raise ValueError(f"image {i} of the batch: {error}") from None

    said: list[CollectedWarning] = []
    with Workers(workers) as pool:
        pool.run([functools.partial(_solve, i) for i in range(len(given))])
    warn_of_collected(said)
    failed = [result.rel_gap for result in results if not result.success]
    if failed:
        worst = f"the largest relative gap is {max(failed):.1e}"
        warn(f"{len(failed)} of {len(given)} images did not meet tol={tol:g}; {worst}", ConvergenceWarning)
    points = image.new_empty(image.shape)
    found = torch.from_numpy(np.stack([result.x for result in results])) if results else given
    points.copy_(found)
    kept, labels = _for_derivative(image, differentiable)
    if differentiable:
        kept.copy_(found)
        labels.copy_(tied_pixels(weighted, tuple(image.shape[1:]), [result.dual for result in results]))
    return points, kept, labels


def _for_derivative(image: torch.Tensor, differentiable: bool) -> tuple[torch.Tensor, torch.Tensor]:
    shape = image.shape if differentiable else (0,)
    # half precision would be another image
    return image.new_empty(shape, dtype=torch.promote_types(image.dtype, torch.float32)), image.new_empty(
        shape, dtype=torch.int32
    )


@prox.register_fake  # type: ignore[untyped-decorator]
def _(image: Any, weights: Any, penalty: str, tol: float, maxiter: int, workers: int, differentiable: bool) -> Any:
    return image.new_empty(image.shape), *_for_derivative(image, differentiable)


@torch.library.custom_op("proxsparse::prox_derivative", mutates_args=())  # type: ignore[untyped-decorator]
def prox_derivative(
    points: torch.Tensor, weights: torch.Tensor, labels: torch.Tensor, direction: torch.Tensor, penalty: str, slopes: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """(J direction, and the derivative of <grad P(x), J direction> in the weights, or 0 without slopes) at proximal points."""
    of_weights = derivative if weights.ndim == 1 else derivative_of_maps
    u, along = of_weights(penalty_of(penalty), points, weights, labels, direction, slopes)
    return u.to(direction.dtype), along


@prox_derivative.register_fake  # type: ignore[untyped-decorator]
def _(points: Any, weights: Any, labels: Any, direction: Any, penalty: str, slopes: bool) -> Any:
    return direction.new_empty(direction.shape), weights.new_empty(weights.shape)


# -- derivatives, and batches of batches -------------------------------------------------------------------------------


def _folded(n: int, tensor: torch.Tensor, dim: int | None) -> torch.Tensor:
    """The batches of a tensor one after the other; n of the same where it has none of its own."""
    batches = tensor.expand(n, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return batches.reshape(-1, *batches.shape[2:])


def _unfolded(n: int, outputs: tuple[torch.Tensor, ...]) -> tuple[tuple[torch.Tensor, ...], tuple[int, ...]]:
    batches = tuple(own.reshape(n, own.shape[0] // n, *own.shape[1:]) for own in outputs)
    return batches, (0,) * len(batches)


class _Differentiable(torch.autograd.Function):  # type: ignore[misc]
    """An operator as a function that `torch.func` knows how to transform: its tensors come first, and have batches."""

    #: how many of its inputs are tensors
    tensors: int

    @classmethod
    def vmap(cls, info: Any, dims: tuple[int | None, ...], *inputs: Any) -> Any:
        """One batch of all batches."""
        n, k = info.batch_size, cls.tensors
        folded = [_folded(n, own, dim) for own, dim in zip(inputs[:k], dims[:k], strict=True)]
        return _unfolded(n, cls.apply(*folded, *inputs[k:]))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse."""
        raise RuntimeError("a ProxLayer is differentiated in reverse mode, and once")


class _Derivative(_Differentiable):
    """`prox_derivative`, whose own derivative is not known: what depends on it raises, and is not taken for constant."""

    tensors = 4

    @staticmethod
    def forward(*inputs: Any) -> Any:
        """Apply the operator."""
        return torch.ops.proxsparse.prox_derivative(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Refuse."""
        raise RuntimeError("a ProxLayer cannot be differentiated twice")


class Prox(_Differentiable):
    """`prox` with its derivative."""

    tensors = 2

    @staticmethod
    def forward(*inputs: Any) -> Any:
        """Apply the operator."""
        return torch.ops.proxsparse.prox(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        """Keep what the derivative needs."""
        _, weights, ctx.penalty, *_, ctx.differentiable = inputs
        ctx.save_for_backward(weights, *output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> tuple[Any, ...]:
        """(J gradient, and minus the derivative of <grad P(x), J gradient> in the weights)."""
        weights, points, labels = ctx.saved_tensors
        if not ctx.differentiable:
            raise RuntimeError("this ProxLayer was exported, or ran, where nothing asked for a gradient")
        apply = torch.ops.proxsparse.prox_derivative if torch.compiler.is_compiling() else _Derivative.apply
        u, along = apply(points, weights, labels, gradient, ctx.penalty, ctx.needs_input_grad[1])
        return u, -along, None, None, None, None, None


# for programs that were compiled or exported, which hold the operators themselves
prox.register_autograd(Prox.backward, setup_context=Prox.setup_context)
prox_derivative.register_autograd(_Derivative.backward, setup_context=_Derivative.setup_context)
prox.register_vmap(Prox.vmap)
prox_derivative.register_vmap(_Derivative.vmap)


# -- penalties as text -------------------------------------------------------------------------------------------------


#: text -> a penalty that somebody holds: those with large arrays take long to read
_held: weakref.WeakValueDictionary[str, Penalty] = weakref.WeakValueDictionary()


def text_of(penalty: Penalty) -> str:
    """The repr of a penalty, by which `penalty_of` finds it."""
    text = repr(penalty)
    _held[text] = penalty
    return text


def penalty_of(text: str) -> Penalty:
    """The penalty of that repr: calls of the package's penalties and of np.array on literals, and sums. Nothing is executed."""
    held = _held.get(text)
    return _read(text) if held is None else held


@functools.lru_cache(maxsize=16)
def _read(text: str) -> Penalty:
    return _built(ast.parse(text, mode="eval").body)  # type: ignore[no-any-return]


def _built(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _built(node.left) + _built(node.right)
    if isinstance(node, ast.Call):
        arguments, named = [_built(a) for a in node.args], {str(k.arg): _built(k.value) for k in node.keywords}
        name = ast.unparse(node.func)
        if name == "np.array":
            return np.array(*arguments)
        if name in penalties.__all__:
            return getattr(penalties, name)(*arguments, **named)
        raise ValueError(f"{name} is no penalty of proxsparse")
    return ast.literal_eval(node)
