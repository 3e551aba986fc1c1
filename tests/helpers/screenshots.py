"""Screenshots of the pages that perturb makes, for the documentation: `make screenshots`.

Each page is there as a desk and as a phone show its beginning. Fonts are the machine's, so that the files differ elsewhere.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from real_browser import DESKTOP, PHONE, chromium, opened

from perturb.report.leaderboard import PAGE, write_leaderboard

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "docs" / "screenshots"
SIZES = (DESKTOP | {"height": 1200}, PHONE)
COLOURS = 256
"""The most colours of a file: pages are flat, and small files load fast."""


@contextmanager
def pages() -> Iterator[dict[str, Path]]:
    """Pages by name: a published report, a leaderboard with the tutorial's model, the site that `make docs` has built."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(ROOT / "docs" / "tutorial" / "entry.json", folder / "my_vae.json")
        write_leaderboard(folder, folder)
        yield {
            "report": ROOT / "artifacts" / "published" / "quickstart" / "report.html",
            "leaderboard": folder / PAGE,
            "site": ROOT / "site" / "index.html",
        }


def place(name: str, width: int) -> Path:
    """The file of a page's screenshot, by the width of the screen in pixels."""
    return OUT / f"{name}-{width}.png"


def main() -> None:
    """Write a screenshot of every page at every size."""
    OUT.mkdir(exist_ok=True)
    with pages() as found, chromium() as browser:
        for name, path in found.items():
            for size in SIZES:
                page, _ = opened(browser, path, path.parent, viewport=size, reduced_motion="reduce", color_scheme="light")
                image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                image.quantize(COLOURS, dither=Image.Dither.NONE).save(place(name, size["width"]), optimize=True)
                page.close()
                print(place(name, size["width"]).relative_to(ROOT))


if __name__ == "__main__":
    main()
