"""
Compare with your network
=========================

A network removes noise. Is it any better than the best classical answer?

Any function that takes a noisy image and returns one will do, and so will the images themselves. To have something that runs
here without a download, our "network" is a linear filter of 7 x 7 patches, fitted to images like those it is tried on.
"""

import matplotlib.pyplot as plt
import numpy as np

import proxsparse
from proxsparse import phantoms


def patches(image):
    padded = np.pad(image, 3, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, (7, 7)).reshape(image.size, 49)


training = [phantoms.blobs((96, 96), seed=100 + i) for i in range(4)]
seen = [phantoms.add_noise(image, 0.2, seed=200 + i) for i, image in enumerate(training)]
weights, *_ = np.linalg.lstsq(
    np.concatenate([patches(y) for y in seen]), np.concatenate([x.ravel() for x in training]), rcond=None
)


def net(noisy):
    return np.maximum(patches(noisy) @ weights, 0).reshape(noisy.shape)


# %%
# One call sets it beside certified answers. Their weights are chosen without the truth (rows "tv", "l1+tv") and, as a bound on
# what any weight could do, with it ("oracle").

truths = [phantoms.blobs((96, 96), seed=i) for i in range(4)]
found = proxsparse.compare(
    truths,
    {"net": net},
    noise_std=0.2,
    data_range=1.0,
    penalties=("none", "l1", "tv", "l1+tv", "overlap"),
    weight=("auto", "oracle"),
)
print(found.to_markdown(("psnr", "ssim", "f1", "isolated_share")))

# %%
# The last line is the answer to the question: the mean difference to the best classical row, image by image, with its bootstrap
# interval. An interval that holds 0 says that the difference may be due to the choice of images.

figure = found.plot(0)

# %%
# In a notebook ``found`` shows itself; ``found.to_html("report.html")`` writes one page to send around, ``found.to_csv(path)``
# every figure of every image. From PyTorch a network is given as it is, as ``{"unet": net}``, or a batch of its outputs.

found

# %%
# Protocol, columns and the command line: :doc:`/compare`. Next: :doc:`regions, not pixels <plot_4_contiguous_regions>`.
plt.close("all")
