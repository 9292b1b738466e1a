"""
A first denoising
=================

One call, an image back, and a number that says how good it is.

We take a photograph, add noise of a known size, and ask for the image that is near to the noisy one and has little
*total variation*: the sum over pixels of how much the image changes there.
"""

import matplotlib.pyplot as plt
from skimage import data

import proxsparse

truth = data.camera()[::2, ::2] / 255.0
noisy = proxsparse.phantoms.add_noise(truth, 0.1)
result = proxsparse.solve(noisy, penalty="tv", weight=0.1)
print(result.message)
print(f"{result.nit} iterations of {result.method}, {1e3 * result.time:.0f} ms")

# %%
# The weight is in the units of the image: here the gray levels run from 0 to 1, the noise has a standard deviation of
# 0.1, and the weight is of that size. Nothing is ever rescaled behind your back: for an image from 0 to 255, multiply the
# weight by 255.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, (name, image) in zip(axes, {"truth": truth, "noisy": noisy, "total variation": result.x}.items(), strict=True):
    psnr = "" if image is truth else f", {proxsparse.metrics.psnr(truth, image, 1.0):.1f} dB"
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_title(name + psnr)
    ax.axis("off")

# %%
# How good is the answer?
# -----------------------
#
# Good at what it was asked for: ``result.fun`` is the objective, and ``result.gap`` a *proof* that no image has a smaller one
# by more than that. A solver without it can only say that it got tired.

print(f"objective  {result.fun:.4f}")
print(f"gap        {result.gap:.1e}, {result.rel_gap:.1e} of the objective")
print(f"distance   {result.x_error_bound:.3f} at most from the exact minimiser, in all {truth.size} pixels together")

# %%
# That distance is a bound on the square root of the *sum* of squares. An average pixel is therefore no further off than

print(f"{255 * result.x_error_bound / truth.size**0.5:.2f} gray levels of 255")

# %%
# Ask for a smaller gap and you get it, at the price of more iterations.

for tol in (1e-2, 1e-4, 1e-6):
    finer = proxsparse.solve(noisy, "tv", 0.1, tol=tol)
    bound = 255 * finer.x_error_bound / truth.size**0.5
    print(f"tol={tol:.0e}: {finer.nit:4d} iterations, {1e3 * finer.time:5.0f} ms, at most {bound:.3f} gray levels off")

# %%
# Other penalties
# ---------------
#
# A penalty is a name or an object, and objects add up. ``L1`` draws single pixels to 0, total variation draws neighbours
# together, and their sum does both.

from proxsparse import L1, TotalVariation

both = proxsparse.solve(noisy, L1(0.02) + TotalVariation(0.1))
print(both.terms)

# %%
# Where next: :doc:`choose the weight <plot_2_choose_the_weight>` without seeing the truth.
