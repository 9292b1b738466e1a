"""
Make contiguous regions zero
============================

A network was trained with an L1 penalty so that the background of its images is black. It *is* black - in scattered pixels,
with specks left between them. What would make whole regions zero?
"""

import matplotlib.pyplot as plt

import proxsparse
from proxsparse import L1, OverlappingGroupLasso, TotalVariation, metrics, phantoms

truth = phantoms.regions((128, 128))
noisy = phantoms.add_noise(truth, 0.2)
print(f"{metrics.zero_share(truth):.0%} of the true image is exactly zero")

# %%
# The answer
# ----------
#
# ``"regions"`` finds which pixels are zero, all together, and keeps the values of the others. It is given nothing but the noisy
# image: no weight, no noise level.

result = proxsparse.solve(noisy, "regions")
tv = proxsparse.solve(noisy, "tv")
for name, x in {"total variation": tv.x, "regions": result.x}.items():
    print(
        f"{name:16} {metrics.psnr(truth, x, 1.0):.1f} dB, F1 {metrics.f1(truth, x, support_tol=0):.3f}, "
        f"{metrics.components(x, support_tol=0)} pieces of {metrics.components(truth, support_tol=0)}, "
        f"{metrics.isolated_share(x, support_tol=0):.2%} isolated"
    )

# %%
# It is several convex problems, each with its certificate: total variation; a *cut*, which weighs for each pixel how much
# likelier the level of its neighbourhood is than zero against the length of the boundary; the values inside; the cut and the
# values again. A piece stays where it gains more than noise does in one image of a hundred.

for stage in result.stages:
    print(f"{stage['name']:16} relative gap {stage['rel_gap']:.0e}, {stage['nit']} iterations")

figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
pictures = {"truth": truth, "noisy": noisy, "total variation": tv.x, "regions": result.x}
for column, (name, image) in zip(axes.T, pictures.items(), strict=True):
    column[0].imshow(image, cmap="gray", vmin=-0.7, vmax=1.1)
    column[0].set_title(name)
    column[1].imshow(image != 0, cmap="gray", vmin=0, vmax=1)
for ax in axes.flat:
    ax.axis("off")

# %%
# One penalty at a time
# ---------------------
#
# What do single convex penalties do? **L1** asks of each pixel by itself whether it is zero. **Windows** (overlapping group
# lasso) ask of nine neighbours together: a pixel is zero where windows that cover it are. **L1 + total variation** draws
# neighbours to one value, and that value to zero.
#
# For a fair picture the first two get the weight that clears the noise: what they leave of pure noise is a hundredth. That
# is ``weight="noise"``, which a sum does not have; it has two weights that were found by trying a few.

answers = {
    "L1": proxsparse.solve(noisy, L1(), "noise", noise_std=0.2),
    "windows 3x3": proxsparse.solve(noisy, OverlappingGroupLasso(window=3), "noise", noise_std=0.2),
    "L1 + TV": proxsparse.solve(noisy, L1(0.15) + TotalVariation(0.2)),
}
print(f"{'':12} {'zeros':>6} {'F1':>6} {'isolated':>9} {'pieces':>7}")
for name, result in answers.items():
    print(
        f"{name:12} {metrics.zero_share(result.x):6.2f} {metrics.f1(truth, result.x, support_tol=0):6.3f} "
        f"{metrics.isolated_share(result.x, support_tol=0):9.2%} {metrics.components(result.x, support_tol=0):7d}"
    )

# %%
# The zeros, drawn
# ----------------
#
# White is what is not exactly zero. L1 pierces the regions and leaves specks between them; the other two leave regions.

figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for column, (name, image) in zip(axes.T, {"truth": truth, **{n: r.x for n, r in answers.items()}}.items(), strict=True):
    column[0].imshow(image, cmap="gray", vmin=-0.7, vmax=1.1)
    column[0].set_title(name)
    column[1].imshow(image != 0, cmap="gray", vmin=0, vmax=1)
for ax in axes.flat:
    ax.axis("off")

# %%
# Why it is so
# ------------
#
# At the optimum of L1 a pixel is zero where ``|y| <= w``, whatever its neighbours are: of pure noise a fixed share stays, at
# random places. The dual of the windows' penalty has one vector for every window, no longer than the weight; a pixel
# of noise has nine of them to be held down by, and a real region has the strength of nine pixels to stand up against each.
#
# And the contrast?
# -----------------
#
# All three take from what they leave. ``debias=True`` gives it back: least squares on what the answer shows as not zero - and
# with it the noise there. One convex penalty cannot do both, clear the background and smooth what is not zero; ``"regions"``
# takes turns.

plain = answers["windows 3x3"]
refitted = proxsparse.solve(noisy, OverlappingGroupLasso(plain.weight, window=3), debias=True)
print(f"windows: {metrics.psnr(truth, plain.x, 1.0):.1f} dB, refitted {metrics.psnr(truth, refitted.debiased, 1.0):.1f} dB")

# %%
# On which shapes this helps, and on which (strokes thinner than a window) it hurts, is measured in :doc:`/compare`.
