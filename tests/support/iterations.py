"""The iterations of Chambolle and Pock by a problem's formulas, to hold the kernels against."""

import numpy as np


def by_formulas(problem, x, p, steps):
    """From x and the flat dual p, one for each row of steps: (tau, sigma, theta, inverse), or over-relaxed ones."""
    x, p, scalar = x.copy(), p.copy(), x.dtype.type
    if steps.shape[1] == 4:
        xbar = x.copy()
        for tau, sigma, theta, _ in steps:
            ktp = np.zeros_like(x)
            problem.dualised.dual_step(ktp, p, xbar, sigma)
            new = problem.primal_step(x - tau * ktp, tau)
            xbar, x = new + theta * (new - x), new
        return x, p
    for tau, sigma, _, rho, _ in steps:
        ktp, q = problem.dualised.add_adjoint(np.zeros_like(x), p), p.copy()
        new = problem.primal_step(x - tau * ktp, tau)
        problem.dualised.dual_step(np.zeros_like(x), q, new + (new - x), sigma)
        x, p = rho * new + (scalar(1) - rho) * x, rho * q + (scalar(1) - rho) * p
    return x, p
