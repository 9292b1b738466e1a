"""Draw the pictures of examples.md: run its blocks in order, and show what each leaves in `shown`."""

import re
from pathlib import Path

PAGE = Path(__file__).with_name("examples.md")


def examples():
    """(title, names after its block) of each section of the page, in order."""
    names = {}
    for title, block in re.findall(r"^## ([^\n]+)\n.*?```python\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        exec(compile(block, title, "exec"), names)
        yield title, names


def main():
    """Draw them all."""
    from matplotlib import pyplot as plt

    for title, names in examples():
        shown = names["shown"]
        figure, axes = plt.subplots(1, len(shown), figsize=(3 * len(shown), 3.3), squeeze=False)
        for ax, (name, image) in zip(axes[0], shown.items(), strict=True):
            ax.imshow(image.clip(0, 1) if image.ndim == 3 else image, cmap="gray")
            ax.set_title(name, fontsize=10)
            ax.axis("off")
        figure.tight_layout()
        path = PAGE.with_name(f"example-{title.lower().replace(' ', '-')}.png")
        figure.savefig(path, dpi=80)
        plt.close(figure)
        print(path)


if __name__ == "__main__":
    main()
