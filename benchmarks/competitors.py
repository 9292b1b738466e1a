"""The peers, each minimising our objective from a cold start; ``benchmarks/requirements.txt`` pins the versions tried.

An adapter takes a `Task`, imports its peer, converts the weight and builds what a user of that peer builds once (spaces,
operators, functionals); it returns ``solve(effort)``, which is what is to be timed. Every call of it starts anew. Stopping
tests are off, so that effort, the number of iterations unless a comment says otherwise, is all that counts.

All of it is for 1/2 ||x - y||² + w P(x): sums, forward differences, the last difference 0. Step sizes are the best of a
coarse sweep on scikit-image's camera with noise 0.1 (0.01 for the blur), in the peers' favour.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft, ndimage

if TYPE_CHECKING:
    from benchmarks.problems import Task

ISOTROPIC = ("rof-iso", "small")


@dataclass(frozen=True)
class Competitor:
    """One method of one peer, and the kinds of `Task` that it can state exactly."""

    name: str
    module: str  # not importable: left out
    distribution: str
    kinds: tuple[str, ...]
    prepare: Callable[[Task], Callable[[int], np.ndarray]]  # untimed; the returned solve(effort) is timed
    note: str = ""

    def run(self, task: Task, effort: int) -> np.ndarray:
        """Prepare and solve at once."""
        return self.prepare(task)(effort)

    @property
    def installed(self) -> bool:
        """Whether the peer can be imported."""
        try:
            importlib.import_module(self.module)
        except ImportError:
            return False
        return True

    @property
    def version(self) -> str:
        """The installed version, or "unknown"."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"


# ---- scikit-image


def skimage_chambolle(task):
    from skimage.restoration import denoise_tv_chambolle

    # Its weight is ours: the 1/2 is missing in the energy it watches, not in the steps it takes.
    # eps=0: stops where |change| < eps. The first iteration returns y, n iterations are n - 1 steps.
    return lambda effort: denoise_tv_chambolle(task.y, weight=task.weight, eps=0, max_num_iter=effort)


# ---- proxTV: always float64 (float32 is upcast silently); its inner tolerances cannot be turned off


def proxtv_2d(method):
    def prepare(task):
        import prox_tv

        # 1/2 ||x - y||² + w (sum |dx| + sum |dy|): its w is ours. max_iters=0 would mean its own limit.
        return lambda effort: prox_tv.tv1_2d(task.y, task.weight, n_threads=1, max_iters=effort, method=method)

    return prepare


def proxtv_1d(method):
    def prepare(task):
        import prox_tv

        # 1/2 ||x - y||² + w sum |dx|: its w is ours.
        return lambda effort: prox_tv.tv1_1d(task.y, task.weight, method=method)

    return prepare


# ---- PyProximal, with PyLops operators


def _given(function):
    """A PyProximal operator whose prox is function(x, tau); its value, asked for once at the start, is not needed."""
    import pyproximal

    class Given(pyproximal.ProxOperator):
        def __call__(self, x):
            return 0.0

        def prox(self, x, tau):
            return function(x, tau)

    return Given(None, False)


def _gradient(y):
    import pylops

    # edge=False with forward differences: the last difference is 0, as ours. Squared norm at most 4 ndim.
    return pylops.Gradient(y.shape, edge=False, kind="forward", dtype=y.dtype)


def _of_gradient(task):
    """w TV as a function of the differences: isotropic, or their L1 norm; the weight is ours."""
    import pyproximal

    return pyproximal.L1(task.weight) if task.kind == "rof-aniso" else pyproximal.L21(task.y.ndim, task.weight)


def _blur(task):
    """Convolution under half-sample symmetry; the kernel is even along each axis, so it is its own adjoint."""
    import pylops

    left, values, right = np.linalg.svd(task.kernel)

    def blur(x):
        image = x.reshape(task.y.shape)
        if values[1] > 1e-12 * values[0]:
            return ndimage.correlate(image, task.kernel, mode="reflect").ravel()
        columns = ndimage.correlate1d(image, values[0] * left[:, 0], axis=0, mode="reflect")
        return ndimage.correlate1d(columns, right[0], axis=1, mode="reflect").ravel()

    return pylops.FunctionOperator(blur, blur, task.y.size, task.y.size, dtype=task.y.dtype)


def _windows(task):
    """The k*k shifted copies of the image, sampled at the corners of the full windows, and its squared norm."""
    import pylops

    k, s, shape = task.window, task.stride, task.y.shape
    rows, columns = ((n - k) // s + 1 for n in shape)
    slices = [np.s_[i : i + (rows - 1) * s + 1 : s, j : j + (columns - 1) * s + 1 : s] for i in range(k) for j in range(k)]

    def forward(x):
        image = x.reshape(shape)
        return np.stack([image[part] for part in slices]).ravel()

    def adjoint(p):
        image = np.zeros(shape, p.dtype)
        for part, values in zip(slices, p.reshape(k * k, rows, columns), strict=True):
            image[part] += values
        return image.ravel()

    operator = pylops.FunctionOperator(forward, adjoint, k * k * rows * columns, task.y.size, dtype=task.y.dtype)
    return operator, float(-(-k // s)) ** 2  # the number of windows over the busiest pixel


def _primal_dual(task, f, g, operator, norm2, tau, gamma=0.0):
    """PrimalDual from x0 = y; gamma > 0 gives the shrinking steps of Chambolle and Pock (2011), algorithm 2, as arrays."""
    from pyproximal.optimization.primaldual import PrimalDual

    def solve(effort):
        taus = np.full(effort, tau)
        for i in range(1, effort if gamma else 0):
            taus[i] = taus[i - 1] / np.sqrt(1 + 2 * gamma * taus[i - 1])
        mus = 0.99 / (norm2 * taus)
        # tol=None, its default, runs no stopping test.
        return PrimalDual(f, g, operator, task.y.ravel(), tau=taus, mu=mus, niter=effort).reshape(task.y.shape)

    return solve


def pyproximal_tv(task):
    import pyproximal

    # prox of sigma TV at step 1: sigma is our weight. rtol=0 stops where |change| < rtol. effort n: n dual steps and one
    # primal. Upcasts float32 to float64 silently.
    def solve(effort):
        operator = pyproximal.TV(task.y.shape, sigma=task.weight, niter=effort, rtol=0.0)
        return operator.prox(task.y.ravel(), 1.0).reshape(task.y.shape)

    return solve


def pyproximal_primal_dual(task):
    prepare = {"windows": _pd_windows, "deblur": _pd_deblur, "inpaint": _pd_inpaint, "l1+tv": _pd_l1_tv}
    return prepare.get(task.kind, _pd_tv)(task)


def _pd_tv(task):
    import pyproximal

    # L2 is sigma/2 ||x - b||², sigma = 1: ours.
    f = pyproximal.L2(b=task.y.ravel())
    return _primal_dual(task, f, _of_gradient(task), _gradient(task.y), 4.0 * task.y.ndim, tau=1.0, gamma=0.7)


def _pd_l1_tv(task):
    y, w = task.y.ravel(), task.l1_weight

    def prox(x, tau):  # of 1/2 ||x - y||² + w ||x||_1, weights as ours
        v = x + tau * y
        return np.sign(v) * np.maximum(np.abs(v) - tau * w, 0) / (1 + tau)

    return _primal_dual(task, _given(prox), _of_gradient(task), _gradient(task.y), 8.0, tau=1.0, gamma=0.7)


def _pd_windows(task):
    import pyproximal

    operator, norm2 = _windows(task)
    # L21 of the stacked copies is the sum of the windows' l2 norms: its sigma is our weight, no factor k.
    g = pyproximal.L21(task.window**2, task.weight)
    return _primal_dual(task, pyproximal.L2(b=task.y.ravel()), g, operator, norm2, tau=1.0, gamma=0.35)


def _pd_inpaint(task):
    observed = task.observed.ravel().astype(task.y.dtype)
    measured = observed * task.y.ravel()

    def prox(x, tau):  # of 1/2 ||observed (x - y)||²: pyproximal.L2 with a Diagonal would iterate for it
        return (x + tau * measured) / (1 + tau * observed)

    return _primal_dual(task, _given(prox), _of_gradient(task), _gradient(task.y), 8.0, tau=0.15)


def _pd_deblur(task):
    import pylops
    import pyproximal

    n = task.y.size
    # Data and TV both behind the operator, f = 0: no inner solver. Weights as ours.
    g = pyproximal.VStack([pyproximal.L2(b=task.y.ravel()), _of_gradient(task)], [n, 2 * n])
    operator = pylops.VStack([_blur(task), _gradient(task.y)])
    return _primal_dual(task, pyproximal.L2(sigma=0.0), g, operator, 9.0, tau=2.0)


def pyproximal_primal_dual_dct(task):
    # The symmetric blur is diagonal in the DCT-II: Hansen, Nagy and O'Leary, Deblurring Images (2006), section 4.3.
    impulse = np.zeros(task.y.shape)
    impulse[0, 0] = 1.0
    blurred = ndimage.correlate(impulse, task.kernel, mode="reflect")
    spectrum = (fft.dctn(blurred, norm="ortho") / fft.dctn(impulse, norm="ortho")).astype(task.y.dtype)
    data = spectrum * fft.dctn(task.y, norm="ortho")

    def prox(x, tau):  # of 1/2 ||A x - y||², ours
        v = fft.dctn(x.reshape(task.y.shape), norm="ortho")
        return fft.idctn((v + tau * data) / (1 + tau * spectrum**2), norm="ortho").ravel()

    return _primal_dual(task, _given(prox), _of_gradient(task), _gradient(task.y), 8.0, tau=2.0)


def pyproximal_dual_windows(task):
    import pyproximal
    from pyproximal.optimization.primal import ProximalGradient

    # The dual, minimise 1/2 ||K' p - y||² over ||p_g|| <= w, by FISTA; x = y - K' p. The weight is ours.
    # Its momentum upcasts float32 to float64 silently.
    operator, norm2 = _windows(task)
    y, norm = task.y.ravel(), pyproximal.L21(task.window**2, task.weight)
    f, ball = pyproximal.L2(operator.H, y), _given(norm.proxdual)

    def solve(effort):
        start = np.zeros(operator.shape[0], y.dtype)
        p = ProximalGradient(f, ball, start, tau=1 / norm2, niter=effort, acceleration="fista")
        return (y - operator.rmatvec(p)).reshape(task.y.shape)

    return solve


# ---- pyunlocbox, copt, ODL, CCPi


def pyunlocbox_tv(task):
    from pyunlocbox import functions

    # Our weight is the step T: norm_tv's prox ignores its own lambda_. tol=0 stops where |change| < tol. effort n: n dual
    # steps and one primal. Upcasts float32 to float64 silently.
    def solve(effort):
        norm = functions.norm_tv(dim=task.y.ndim, maxit=effort, tol=0, verbosity="NONE")
        return norm.prox(task.y, task.weight)

    return solve


def copt_three_split(task):
    import copt
    from copt import tv_prox

    y, shape = task.y.ravel(), task.y.shape

    def data(x, return_gradient=True):
        residual = x - y
        value = 0.5 * (residual @ residual)
        return (value, residual) if return_gradient else value

    def rows(x, step):  # the step times our weight is the step of sum |dx|
        return tv_prox.prox_tv1d_rows(step * task.weight, x, *shape)

    def columns(x, step):
        return tv_prox.prox_tv1d_cols(step * task.weight, x, *shape)

    # Davis and Yin's splitting: to 1e-4 in less than half of the time of copt's prox_tv2d. tol=0: no test passes. In
    # float32 the running sums of its 1-D prox end at 2e-5, however long it runs.
    def solve(effort):
        found = copt.minimize_three_split(data, y, rows, columns, tol=0, max_iter=effort, line_search=False, step_size=0.2)
        return found.x.reshape(shape)

    return solve


def copt_1d(task):
    from copt import tv_prox

    # min TV(x) + 1/(2 step) ||x - y||²: the step is our weight.
    return lambda effort: tv_prox.prox_tv1d(task.y, task.weight)


def odl_pdhg(task):
    import odl

    shape = task.y.shape
    # Cells of side 1, so that sums and differences are ours and unscaled.
    space = odl.uniform_discr([0] * len(shape), shape, shape, dtype=task.y.dtype.name)
    # "order0" repeats the edge: the last difference is 0. "symmetric" would not, nor the default, which pads zeros.
    gradient = odl.Gradient(space, method="forward", pad_mode="order0")
    y = space.element(task.y)
    f = 0.5 * odl.functionals.L2NormSquared(space).translated(y)  # L2NormSquared has no 1/2
    norm: Any = odl.functionals.L1Norm if task.kind == "rof-aniso" else odl.functionals.GroupL1Norm
    g = task.weight * norm(gradient.range)  # the weight is ours
    norm2 = 4.0 * len(shape)

    def solve(effort):
        x = y.copy()
        odl.solvers.pdhg(x, f, g, gradient, niter=effort, tau=1.0, sigma=0.99 / norm2, gamma_primal=0.7)
        return x.asarray()

    return solve


def ccpi_libraries():
    """Compiler flags and path of each shared library of its C code, as ``CCPI_LIBRARIES`` says: FLAGS=PATH, between colons.

    ``gcc FLAGS -shared -fPIC -fopenmp -ICore Core/regularisers_CPU/{FGP_TV_core,utils}.c -o PATH -lm``, in its folder src.
    """
    given = [entry for entry in os.environ.get("CCPI_LIBRARIES", "").split(os.pathsep) if entry]
    return [tuple(entry.rsplit("=", 1)) for entry in given]


def ccpi_library(path):
    """`ccpi_fgp` by a shared library of the C code."""
    fgp = ctypes.CDLL(path).TV_FGP_CPU_main
    images, number, whole = np.ctypeslib.ndpointer(np.float32, flags="C"), ctypes.c_float, ctypes.c_int
    fgp.argtypes = [images, images, images, number, whole, number, *(whole,) * 5]

    def prepare(task):
        y = np.ascontiguousarray(task.y, np.float32)
        method, sizes = int(task.kind == "rof-aniso"), (*y.shape[::-1], 1)[:3]

        def solve(effort):
            x, told = np.empty_like(y), np.zeros(2, np.float32)
            fgp(y, x, told, task.weight, effort, 0.0, method, 0, *sizes)
            return x

        return solve

    return prepare


def ccpi_fgp(task):
    from ccpi.filters.regularisers import FGP_TV

    # y - lambda div, steps 1/(8 lambda): its parameter is our weight. Computes in float32 alone.
    y = np.ascontiguousarray(task.y, np.float32)
    method = int(task.kind == "rof-aniso")  # 0 isotropic, 1 anisotropic

    def solve(effort):  # tolerance 0: no test; nonneg 0: no bound
        found = FGP_TV(y, task.weight, effort, 0.0, method, 0, "cpu")
        return found[0] if isinstance(found, tuple) else found  # some versions add iterations and tolerance

    return solve


EXACT = "exact: effort ignored"
PROXTV = "prox_tv", "prox-tv-sdist"
PYPROXIMAL = "pyproximal", "pyproximal"
COPT = "copt", "copt"

COMPETITORS: tuple[Competitor, ...] = (
    Competitor(
        "scikit-image denoise_tv_chambolle", "skimage", "scikit-image", (*ISOTROPIC, "volume", "tv1d"), skimage_chambolle
    ),
    Competitor("proxTV Yang", *PROXTV, ("rof-aniso",), proxtv_2d("yang"), "float64"),
    Competitor("proxTV Douglas-Rachford", *PROXTV, ("rof-aniso",), proxtv_2d("dr"), "float64"),
    Competitor("proxTV Kolmogorov", *PROXTV, ("rof-aniso",), proxtv_2d("kolmogorov"), "float64"),
    Competitor("proxTV linearised taut string", *PROXTV, ("tv1d",), proxtv_1d("linearizedtautstring"), EXACT),
    Competitor("proxTV hybrid taut string", *PROXTV, ("tv1d",), proxtv_1d("hybridtautstring"), EXACT),
    Competitor("proxTV Condat", *PROXTV, ("tv1d",), proxtv_1d("condat"), EXACT),
    Competitor("PyProximal TV", *PYPROXIMAL, (*ISOTROPIC, "volume", "tv1d"), pyproximal_tv, "float64"),
    Competitor(
        "PyProximal PrimalDual",
        *PYPROXIMAL,
        (*ISOTROPIC, "rof-aniso", "volume", "l1+tv", "windows", "deblur", "inpaint"),
        pyproximal_primal_dual,
    ),
    Competitor("PyProximal PrimalDual, DCT", *PYPROXIMAL, ("deblur",), pyproximal_primal_dual_dct),
    Competitor("PyProximal FISTA on the dual", *PYPROXIMAL, ("windows",), pyproximal_dual_windows, "float64"),
    Competitor("pyunlocbox norm_tv", "pyunlocbox", "pyunlocbox", (*ISOTROPIC, "volume", "tv1d"), pyunlocbox_tv, "float64"),
    Competitor("copt three-operator splitting", *COPT, ("rof-aniso",), copt_three_split),
    Competitor("copt prox_tv1d", *COPT, ("tv1d",), copt_1d, EXACT),
    Competitor("ODL accelerated PDHG", "odl", "odl", (*ISOTROPIC, "rof-aniso", "volume"), odl_pdhg),
    Competitor(
        "CCPi FGP_TV",
        "ccpi.filters.regularisers",
        "ccpi-regulariser",
        (*ISOTROPIC, "rof-aniso", "volume"),
        ccpi_fgp,
        "float32",
    ),
    *(
        Competitor(
            f"CCPi FGP_TV, gcc {flags}", "ctypes", "", (*ISOTROPIC, "rof-aniso", "volume"), ccpi_library(path), "float32"
        )
        for flags, path in ccpi_libraries()
    ),
)
