"""Whose images a benchmark file holds: titles, addresses, licences, citations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OURS = "Apache-2.0"
"""SPDX name of the licence of perturb and of the files that it makes of dSprites, of Shapes3D and of its own scene."""
UNKNOWN = "unknown"

PAPER_URL = "https://proceedings.mlr.press/v139/zietlow21a.html"
PAPER = f"""\
@inproceedings{{zietlow2021demystifying,
  title     = {{Demystifying Inductive Biases for (Beta-){{VAE}} Based Architectures}},
  author    = {{Zietlow, Dominik and Rolinek, Michal and Martius, Georg}},
  booktitle = {{Proceedings of the 38th International Conference on Machine Learning}},
  series    = {{Proceedings of Machine Learning Research}},
  volume    = {{139}},
  pages     = {{12945--12954}},
  year      = {{2021}},
  publisher = {{PMLR}},
  url       = {{{PAPER_URL}}}
}}
"""

DSPRITES = """\
@misc{dsprites17,
  title        = {{dSprites}: Disentanglement testing Sprites dataset},
  author       = {Matthey, Loic and Higgins, Irina and Hassabis, Demis and Lerchner, Alexander},
  year         = {2017},
  howpublished = {https://github.com/google-deepmind/dsprites-dataset}
}
"""

SHAPES3D = """\
@misc{3dshapes18,
  title        = {{3D} Shapes Dataset},
  author       = {Burgess, Chris and Kim, Hyunjik},
  year         = {2018},
  howpublished = {https://github.com/google-deepmind/3d-shapes}
}
"""


@dataclass(frozen=True)
class Credit:
    """Of one ground truth."""

    title: str
    licence: str = UNKNOWN
    url: str | None = None
    bibtex: str | None = None
    renderer: str | None = None
    """How close perturb's renderer comes to the authors' images."""
    limits: tuple[str, ...] = ()
    """What else its users must know."""


CREDITS = {
    "mini": Credit(
        "Mini scene",
        OURS,
        renderer="they have no other source",
        limits=("The scene is perturb's own, for demonstrations and tests; no other work reports scores on it.",),
    ),
    "dsprites": Credit(
        "dSprites",
        OURS,
        "https://github.com/google-deepmind/dsprites-dataset",
        DSPRITES,
        renderer="perturb's renderer draws the 191 distinct frames of the dataset's published animation, to which it was "
        "fitted, pixel by pixel; the authors' file may differ elsewhere",
        limits=("The first and the last orientation are the same angle, as in the authors' file.",),
    ),
    "shapes3d": Credit(
        "Shapes3D",
        OURS,
        "https://github.com/google-deepmind/3d-shapes",
        SHAPES3D,
        renderer="perturb's renderer was fitted to 25 published pictures (mean absolute difference 5 of 255) and leaves out "
        "the textures of walls and floor; whether positive orientations turn the room the same way as in the authors' file "
        "is not known",
    ),
}


def credit_of(dataset: str) -> Credit:
    """Of a dataset by its key; one of a user's own has its key as title, and no licence that we could know."""
    return CREDITS.get(dataset, Credit(dataset))


def licence_of(attributes: Mapping[str, Any]) -> str:
    """What a benchmark file states, else what is known of its dataset."""
    return str(attributes.get("licence") or credit_of(str(attributes["dataset"])).licence)
