"""
Choose the weight
=================

Too small a weight leaves noise, too large a one takes the picture away. How much is right, when there is no truth to look at?
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import proxsparse

truth = data.coins()[:256, :256] / 255.0
noisy = proxsparse.phantoms.add_noise(truth, 0.1)

# %%
# Leave the weight out
# --------------------
#
# It is then chosen from the noisy image alone, and the result says by which rule and what was tried.

result = proxsparse.solve(noisy, "tv")
print(f"weight {result.weight:.4f} by {result.weight_rule}")

# %%
# Because we made the noise ourselves we can also ask what the best weight would have been, by looking at the truth. That is
# an *oracle*: a bound on every rule, never a fair answer.

best = proxsparse.oracle_weight(noisy, truth, "tv")
weights = np.geomspace(0.01, 1, 25)
psnr = [proxsparse.metrics.psnr(truth, r.x, 1.0) for r in proxsparse.path(noisy, "tv", weights, tol=1e-3)]
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.semilogx(weights, psnr, "k")
ax.axvline(best, color="tab:blue", label=f"oracle, {best:.3f}")
ax.axvline(result.weight, color="tab:red", linestyle="--", label=f"{result.weight_rule}, {result.weight:.3f}")
ax.set(xlabel="weight", ylabel="PSNR in dB")
_ = ax.legend()

# %%
# Three weights, one image
# ------------------------
#
# ``path`` solves for many weights, each from the answer before it.

few = {"a third": result.weight / 3, "chosen": result.weight, "three times": 3 * result.weight}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
for ax, (name, found) in zip(axes, zip(few, proxsparse.path(noisy, "tv", list(few.values())), strict=True), strict=True):
    ax.imshow(found.x, cmap="gray", vmin=0, vmax=1)
    ax.set_title(f"{name}: {proxsparse.metrics.psnr(truth, found.x, 1.0):.1f} dB")
    ax.axis("off")

# %%
# If you know the noise
# ---------------------
#
# Say so: Stein's unbiased estimate of the risk then needs no guess. The rule's own curve is in ``weight_path``.

known = proxsparse.solve(noisy, "tv", noise_std=0.1)
print(f"weight {known.weight:.4f} by {known.weight_rule}")
print({name: np.round(values, 4).tolist()[:4] for name, values in known.weight_path.items()})

# %%
# All rules, what each needs and what each loses on photographs: :doc:`/weights`. Next: :doc:`set a network's images beside
# these <plot_3_compare_with_your_network>`.
