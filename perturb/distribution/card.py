"""The dataset card: a Markdown README with the header that the Hugging Face Hub reads.

Everything in it comes from the files' own attributes and labels; a test executes its code examples.
"""

import re
import shlex
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from perturb.benchmark.credits import PAPER_URL
from perturb.datasets import DATASETS
from perturb.datasets.hdf5.layouts import WHITE
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import CHUNK_IMAGES, RECIPE
from perturb.distribution.export_dlib import ARCHIVES
from perturb.distribution.export_tfds import name_of
from perturb.distribution.index import Entry
from perturb.distribution.listing import Listing
from perturb.escapes import in_markdown, in_markdown_code
from perturb.perturbation.bounds import largest_step
from perturb.variants import VARIANTS

MARK = "<!-- Written by `perturb dataset publish`"
"""The mark that distinguishes our card from a README of the user's."""
MADE = ("source", "bound", "run", "config_hash", "perturb_version", "torch_version", "recipe", "images_sha256")
"""Provenance attributes of a file, shown if present."""
LONGEST = 100
SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
LIBRARY_CLASSES = {"dsprites": "DSprites([1, 2, 3, 4, 5])", "shapes3d": "Shapes3D()"}


def render_card(listing: Listing, *, url: str | None = None) -> str:
    """Return the card of a folder, the text of its README.md.

    Args:
        listing: the folder's published content.
        url: future address of the folder, if known.

    """
    template = files("perturb.distribution").joinpath("card.md.j2").read_text(encoding="utf-8")
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters |= {"text": in_markdown, "code": in_markdown_code, "shell": shlex.quote}
    example = listing.variants.index("modified") if "modified" in listing.variants else 0
    text = environment.from_string(template).render(
        url=url,
        **_about(listing),
        **_made(listing),
        **_grid(listing.files[0]),
        **_reading(listing.files[example], listing.index.entries[example]),
    )
    return text.rstrip("\n") + "\n"


def _about(listing: Listing) -> dict[str, Any]:
    """Return the template variables that describe the folder as a whole."""
    found, licences = listing.files[0], listing.licences
    images, hub = found.grid.num_images, licences[0].lower()
    rendered = "source=renderer" in found.source
    return {
        "title": listing.title,
        "dataset": found.name,
        "images": f"{images:,}",
        "colours": "grey" if found.image_shape[-1] == 1 else "RGB",
        "size_category": next((name for bound, name in SIZES.items() if images < bound), "n>10M"),
        "licence": ", ".join(licences),
        "hub_licence": hub if len(licences) == 1 and re.fullmatch(r"[a-z0-9.+-]+", hub) else "other",
        "paper_url": PAPER_URL,
        "origin": listing.credit,
        "citation": listing.citation,
        "renderer": (listing.credit.renderer or "they have no other source") if rendered else None,
        "limits": listing.credit.limits,
        "variants": {name: facts.meaning for name, facts in VARIANTS.items() if name in listing.variants},
        "recipes": listing.recipes,
    }


def _made(listing: Listing) -> dict[str, Any]:
    """Return every file with its size, hash and provenance."""
    keys = [key for key in MADE if any(key in found.attributes for found in listing.files)]
    rows = []
    for entry, found in zip(listing.index.entries, listing.files, strict=True):
        made = [str(found.attributes.get(key, "")) for key in keys]
        rows.append(
            entry.model_dump()
            | {
                "step": largest_step(entry.epsilon),
                "made": [text if len(text) <= LONGEST else "in the file's attributes" for text in made],
            }
        )
    return {"files": rows, "made_keys": keys}


def _grid(found: BenchmarkFile) -> dict[str, Any]:
    """Return the factors, arrays and attributes, which all files share."""
    meanings = {
        found.keys.images: f"images; black is 0, white is {found.white}",
        found.keys.values: "real values of the factors" + (", colour first" if found.keys.has_colour else ""),
        found.keys.classes: "numbers of those values from 0" + (", colour first" if found.keys.has_colour else ""),
    }
    return {
        "factors": [
            {"name": name, "size": size, "first": f"{values[0]:g}", "last": f"{values[-1]:g}"}
            for name, size, values in zip(found.grid.names, found.grid.sizes, found.factor_values, strict=True)
        ],
        "arrays": [
            {"name": name, "dtype": dtype, "shape": shape, "meaning": meanings.get(name, "")}
            for name, (dtype, shape) in found.arrays.items()
        ],
        "attributes": sorted(found.attributes),
        "chunk": min(CHUNK_IMAGES, found.grid.num_images),
    }


def _reading(found: BenchmarkFile, entry: Entry) -> dict[str, Any]:
    """Return what the code examples need to read one of the files."""
    height, width, channels = found.image_shape
    return {
        "example": entry.file,
        "example_name": entry.name,
        "recipe": next((part.file for part in entry.recipe if part.file.endswith(RECIPE)), None),
        "in_perturb": found.name in DATASETS,
        "pixel_bytes": f"{found.pixel_bytes:,}",
        "row": found.grid.num_images // 2,
        "batch": min(64, found.grid.num_images),
        "height": height,
        "width": width,
        "channels": channels,
        "white": found.white,
        "images_key": found.keys.images,
        "values_key": found.keys.values,
        "stored_shape": found.arrays[found.keys.images][1][1:],
        "has_channel_axis": found.keys.has_channel_axis,
        "names": found.grid.names,
        "sizes": found.grid.sizes,
        "tfds_name": name_of(found.name, found.variant),
        "library": _library(found),
    }


def _library(found: BenchmarkFile) -> dict[str, Any] | None:
    """Return how to use the file with disentanglement_lib's class for the dataset; None if it has no such class."""
    if found.name not in ARCHIVES:
        return None
    in_floats = found.keys.has_colour and found.white == WHITE
    gigabytes = 4 * found.grid.num_images * found.image_shape[0] * found.image_shape[1] / 1e9
    return {
        "archive": ARCHIVES[found.name],
        "module": found.name,
        "made": LIBRARY_CLASSES[found.name],
        "memory": f"{gigabytes:.3g} GB" if in_floats else None,
    }
