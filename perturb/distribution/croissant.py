"""croissant.json: the files of a folder for tools that read Croissant 1.0 (https://docs.mlcommons.org/croissant).

It is written without a library, so that publishing needs none; a test validates it with mlcroissant and loads its records.
The records are facts about the files: Croissant does not read HDF5, so the images are left to the readers that the card
shows.
"""

import re
from datetime import date
from typing import Any
from urllib.parse import quote

from perturb.benchmark.credits import PAPER_URL
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.distribution.listing import Listing

ENCODINGS = {".h5": "application/x-hdf5", ".json": "application/json", ".safetensors": "application/octet-stream"}
FACTS = {"variant": "sc:Text", "epsilon": "sc:Float", "images": "sc:Integer", "bytes": "sc:Integer", "sha256": "sc:Text"}
"""Fields of an index entry that a record includes, with their types."""
AS_JSON = ("data", "examples")
AS_VOCABULARY = ("dataType",)
TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
"""The vocabulary of Croissant; its specification requires all of it in every file's context."""


def croissant_of(listing: Listing, *, published: date, url: str | None = None) -> dict[str, Any]:
    """Return the metadata of a folder as JSON-LD.

    Args:
        listing: the folder's published content.
        published: date of publication.
        url: future address of the folder; without it, the files' addresses are relative to croissant.json.

    """
    found = listing.files[0]
    licences = [_licence(name) for name in listing.licences]
    made_by = sorted({str(other.attributes.get("perturb_version", "")) for other in listing.files} - {""})
    about = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": re.sub(r"\W+", "-", listing.title.lower()).strip("-"),
        "description": f"{listing.title}: {found.grid.num_images:,} images for each of the variants "
        f"{', '.join(listing.variants)}, labelled with the factors {', '.join(found.grid.names)}.",
        "license": licences if len(licences) > 1 else licences[0],
        "citeAs": listing.citation,
        "datePublished": published.isoformat(),
        "isBasedOn": [PAPER_URL, *([listing.credit.url] if listing.credit.url else [])],
        "keywords": ["disentanglement", "representation learning", found.name],
        "distribution": [_file(file.file, file.bytes, file.sha256, url) for file in (*listing.wholes, *listing.recipes)],
    }
    about["recordSet"] = [
        _records("variants", {"name": "sc:Text", "file": "sc:Text", **FACTS}, _variants(listing)),
        _records(
            "factors", {"name": "sc:Text", "values": "sc:Integer", "first": "sc:Float", "last": "sc:Float"}, _factors(found)
        ),
    ]
    return about | ({"version": made_by[-1]} if made_by else {}) | ({"url": url} if url else {})


def _context() -> dict[str, Any]:
    return (
        {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "rai": "http://mlcommons.org/croissant/RAI/",
            "dct": "http://purl.org/dc/terms/",
            "conformsTo": "dct:conformsTo",
        }
        | {term: f"cr:{term}" for term in TERMS}
        | {term: {"@id": f"cr:{term}", "@type": "@json"} for term in AS_JSON}
        | {term: {"@id": f"cr:{term}", "@type": "@vocab"} for term in AS_VOCABULARY}
    )


def _variants(listing: Listing) -> list[dict[str, Any]]:
    """Return one record per benchmark file."""
    facts = ("name", "file", *FACTS)
    return [{fact: getattr(entry, fact) for fact in facts} for entry in listing.index.entries]


def _factors(found: BenchmarkFile) -> list[dict[str, Any]]:
    """Return one record per factor in grid order, where the last factor varies fastest."""
    return [
        {"name": name, "values": len(values), "first": float(values[0]), "last": float(values[-1])}
        for name, values in zip(found.grid.names, found.factor_values, strict=True)
    ]


def _records(name: str, fields: dict[str, str], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a record set including its records; the types of `fields` are schema.org's."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{field}", "name": f"{name}/{field}", "dataType": kind}
            for field, kind in fields.items()
        ],
        "data": [{f"{name}/{field}": value for field, value in record.items()} for record in records],
    }


def _file(path: str, size: int, sha256: str, url: str | None) -> dict[str, Any]:
    ending = path[path.rindex(".") :]
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": f"{url.rstrip('/')}/{quote(path)}" if url else path,
        "contentSize": f"{size} B",
        "encodingFormat": ENCODINGS[ending],
        "sha256": sha256,
    }


def _licence(name: str) -> str:
    """Return the URL of an SPDX licence; other names are returned unchanged."""
    known = re.fullmatch(r"[A-Za-z0-9.+-]+-[A-Za-z0-9.+-]+", name)
    return f"https://spdx.org/licenses/{name}" if known else name
