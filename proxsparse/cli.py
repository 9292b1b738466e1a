"""The command line: ``proxsparse demo`` and ``proxsparse denoise IN OUT``."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from . import __version__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="proxsparse", description="Certified classical denoising of images.")
    parser.add_argument("--version", action="version", version=f"proxsparse {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="solve a photograph and a phantom with five penalties; a table and a picture")
    demo.add_argument("--output", type=Path, default=Path("proxsparse-demo.png"), help="the picture (default: %(default)s)")
    demo.add_argument("--no-picture", action="store_true", help="the table alone; needs no matplotlib")

    denoise = commands.add_parser(
        "denoise",
        help="denoise an image file",
        description="Denoise a PNG, TIFF or .npy file. Integer files are read as fractions of their type's range, so that a "
        "weight means the same for 8 and 16 bits, and rounded and clipped on writing. Alpha is kept as it is.",
    )
    denoise.add_argument("input", type=Path, metavar="IN")
    denoise.add_argument("output", type=Path, metavar="OUT")
    denoise.add_argument("--penalty", default="tv", help="l1, tv, tv-aniso, overlap, l1+tv, ... (default: %(default)s)")
    denoise.add_argument("--weight", type=_weight, nargs="+", help="the weight, of a sum one a part; or a rule; left out: auto")
    denoise.add_argument("--noise-std", type=float, help="the noise's standard deviation, as a fraction of an integer's range")
    denoise.add_argument("--method", default="auto", help="auto, fista, admm or chambolle-pock")
    denoise.add_argument("--tol", type=float, default=1e-4, help="relative duality gap (default: %(default)s)")
    denoise.add_argument("--maxiter", type=int, default=5000)
    denoise.add_argument(
        "--channel-axis", type=int, help="axis of the channels; PNG and TIFF with 2 to 4 on the last axis need none"
    )
    denoise.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    denoise.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    return parser


def _weight(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 1 where the tolerance was not met, 2 where something was wrong."""
    from ._files import FileError

    options = _parser().parse_args(arguments)
    try:
        return _demo(options) if options.command == "demo" else _denoise(options)
    except (FileError, ValueError, TypeError) as error:
        print(f"proxsparse: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("proxsparse: interrupted", file=sys.stderr)
        return 130


def _demo(options: argparse.Namespace) -> int:
    from . import _demo

    draw = not options.no_picture
    if draw and not _demo.has_matplotlib():
        raise ValueError('the picture needs matplotlib: pip install "proxsparse[plot]", or give --no-picture')
    if draw and not options.output.parent.is_dir():
        raise ValueError(f"{options.output.parent}: no such directory")
    _demo.main(options.output, draw, print)
    return 0


def _denoise(options: argparse.Namespace) -> int:
    import numpy as np

    from ._files import FileError, read, write
    from ._solve import solve
    from .result import ConvergenceWarning

    if options.output.exists() and not options.overwrite:
        # before the work, not after it
        raise FileError(f"{options.output}: exists; --overwrite replaces it")
    picture = read(options.input, options.channel_axis)
    say = (lambda line: None) if options.quiet else print
    say(f"{options.input}: {picture.describe()}")
    weight = tuple(options.weight) if options.weight and len(options.weight) > 1 else options.weight and options.weight[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said below, in one line
        result = solve(
            picture.image,
            options.penalty,
            weight,
            noise_std=options.noise_std,
            channel_axis=picture.channel_axis,
            method=options.method,
            tol=options.tol,
            options={"maxiter": options.maxiter},
        )
    write(options.output, picture.restore(result.x), options.overwrite, picture.channel_axis)
    run = f"{result.nit} iterations of {result.method}, {result.time:.2f} s"
    if result.weight_rule != "given":
        noise = "" if result.noise_std is None else f", noise {result.noise_std:.3g}"
        say(f"weight {' '.join(f'{w:.3g}' for w in np.atleast_1d(result.weight))} by {result.weight_rule}{noise}")
    say(f"{options.output}: relative gap {result.rel_gap:.1e} after {run}")
    if not result.success:
        print(f"proxsparse: {result.message} The relative gap is above {options.tol:g}.", file=sys.stderr)
        return 1
    return 0
