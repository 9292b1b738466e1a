"""What rules without the truth lose against the oracle's weight, and what they cost: ``python -m benchmarks.weights``.

Total variation, twelve photographs of scikit-image in [0, 1], four noises each. A loss is the PSNR with the oracle's weight
less the PSNR with the rule's. Seconds are the minimum of three runs of `solve` with weight="auto", over those of `solve` with
the weight it chose.
"""

import time

import numpy as np

from proxsparse import denoise, metrics, oracle_weight, phantoms, solve

IMAGES = ["camera", "astronaut", "coffee", "chelsea", "gravel", "grass", "brick", "moon", "coins", "page", "text", "rocket"]
NOISES = (0.02, 0.05, 0.1, 0.15)


def seconds(*arguments, **keywords):
    least = np.inf
    for _ in range(3):
        begin = time.perf_counter()
        solve(*arguments, **keywords)
        least = min(least, time.perf_counter() - begin)
    return least


def main():
    from skimage import color, data

    print("| image | noise | oracle weight, PSNR | auto | auto, noise given | gcv | discrepancy, given |")
    print("|---|---|---|---|---|---|---|")
    rows, ratios = [], []
    for name in IMAGES:
        truth = getattr(data, name)() / 255.0
        truth = color.rgb2gray(truth) if truth.ndim == 3 else truth
        for noise in NOISES:
            y = phantoms.add_noise(truth, noise, seed=1)
            oracle = oracle_weight(y, truth, "tv")
            best = metrics.psnr(truth, denoise(y, "tv", oracle), 1.0)
            runs = [(None, None), (None, noise), ("gcv", None), ("discrepancy", noise)]
            results = [solve(y, "tv", rule, noise_std=known) for rule, known in runs]
            losses = [best - metrics.psnr(truth, result.x, 1.0) for result in results]
            rows.append(losses)
            ratios.append(seconds(y, "tv") / seconds(y, "tv", results[0].weight))
            cells = [f"{loss:.3f}" for loss in losses]
            print(f"| {name} | {noise} | {oracle:.4f}, {best:.2f} dB | " + " | ".join(cells) + " |", flush=True)
    for what, figures in (("mean", np.mean(rows, axis=0)), ("worst", np.max(rows, axis=0))):
        print(f"| {what} | | | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
    print(f"\nauto takes {np.median(ratios):.1f} times the solve with its weight (median), {max(ratios):.1f} at most")
    y = phantoms.add_noise(data.camera() / 255.0, 0.1)
    for dtype in (np.float32, np.float64):
        for penalty in ("tv", "tv-aniso", "l1", "overlap", "l1+tv"):
            image = y.astype(dtype)
            chosen = solve(image, penalty)
            ratio = seconds(image, penalty) / seconds(image, penalty, chosen.weight)
            print(f"camera, noise 0.1, {np.dtype(dtype).name}, {penalty}: {ratio:.1f}")


if __name__ == "__main__":
    main()
