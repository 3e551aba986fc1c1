"""Makes the documentation's screenshots of the pages that perturb writes: `make screenshots`.

Each screenshot shows the top of a page, on a desktop and on a phone. Fonts depend on the machine, and so do the files.
"""

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from real_browser import DESKTOP, PHONE, chromium, opened
from real_servers import COMMAND, free_port, post, prefect_server

from perturb.report.leaderboard import PAGE, write_leaderboard

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "docs" / "screenshots"
SIZES = (DESKTOP | {"height": 1200}, PHONE)
REHEARSAL = ["--budget", "0.02", "--set", "selection.max_unit_variance=100", "--set", "collapse.action='warn'"]
"""Options with which the quickstart takes seconds; the page shows the flow's progress and not its results."""
MILLISECONDS_TO_DRAW = 4_000
"""Time until the graph on Prefect's page has settled."""
COLOURS = 256
"""Number of colours per file, few enough for small files."""


@contextmanager
def pages() -> Iterator[dict[str, Path]]:
    """Pages by name: a published report, a leaderboard with the tutorial's model, and the site built by `make docs`."""
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
    """Path of a page's screenshot for a screen width in pixels."""
    return OUT / f"{name}-{width}.png"


@contextmanager
def flow_page() -> Iterator[str]:
    """Address of Prefect's page of a finished flow, a short run of the quickstart with its own server."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        home = Path(temporary) / "home"
        with prefect_server(home, free_port()) as (api, _):
            command = [*COMMAND, "run", "configs/quickstart.toml", "--prefect", "--artifacts", temporary, *REHEARSAL]
            environment = os.environ | {"PREFECT_API_URL": api, "PREFECT_HOME": str(home)}
            subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            (flow,) = post(api, "flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
            yield f"{api.removesuffix('/api')}/runs/flow-run/{flow['id']}"


def save(page: Any, name: str, width: int) -> None:
    """Write the screenshot of a page and close it."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(place(name, width), optimize=True)
    page.close()
    print(place(name, width).relative_to(ROOT))


def main() -> None:
    """Write a screenshot of every page at every size."""
    OUT.mkdir(exist_ok=True)
    with pages() as found, chromium() as browser:
        for name, path in found.items():
            for size in SIZES:
                page, _ = opened(browser, path, path.parent, viewport=size, reduced_motion="reduce", color_scheme="light")
                save(page, name, size["width"])
    with flow_page() as address, chromium() as browser:
        for size in SIZES:
            page = browser.new_page(viewport=size)
            page.goto(address)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(MILLISECONDS_TO_DRAW)
            save(page, "flow", size["width"])


if __name__ == "__main__":
    main()
