"""Credits of the images in a benchmark file: titles, addresses, licences, citations."""

from dataclasses import dataclass

from perturb.datasets.readers import cars3d, mpi3d, smallnorb

OURS = "Apache-2.0"
"""SPDX name of the licence of perturb, of the authors' dSprites and Shapes3D, and of what perturb renders."""
UNKNOWN = "unknown"
CITATION = "D. Zietlow, M. Rolinek, G. Martius: Demystifying Inductive Biases for (Beta-)VAE Based Architectures. ICML 2021."

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

MPI3D = """\
@inproceedings{gondal2019transfer,
  title     = {On the Transfer of Inductive Bias from Simulation to the Real World: a New Disentanglement Dataset},
  author    = {Gondal, Muhammad Waleed and W{\\"u}thrich, Manuel and Miladinovi{\\'c}, {\\DJ}or{\\dj}e and
               Locatello, Francesco and Breidt, Martin and Volchkov, Valentin and Akpo, Joel and Bachem, Olivier and
               Sch{\\"o}lkopf, Bernhard and Bauer, Stefan},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {32},
  year      = {2019}
}
"""

CARS3D = """\
@inproceedings{reed2015deep,
  title     = {Deep Visual Analogy-Making},
  author    = {Reed, Scott and Zhang, Yi and Zhang, Yuting and Lee, Honglak},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {28},
  year      = {2015}
}
"""

SMALLNORB = """\
@inproceedings{lecun2004learning,
  title     = {Learning Methods for Generic Object Recognition with Invariance to Pose and Lighting},
  author    = {LeCun, Yann and Huang, Fu Jie and Bottou, L{\\'e}on},
  booktitle = {IEEE Computer Society Conference on Computer Vision and Pattern Recognition},
  year      = {2004}
}
"""


@dataclass(frozen=True)
class Credit:
    """The authors of a ground truth, and the licence under which it may be used."""

    title: str
    licence: str = UNKNOWN
    url: str | None = None
    bibtex: str | None = None
    renderer: str | None = None
    """The difference between perturb's rendering and the authors' images."""
    limits: tuple[str, ...] = ()
    """Anything else that users must know."""


OWN_SCENE = {
    "renderer": "they have no other source",
    "limits": ("The scene is perturb's own, for demonstrations and tests; no other work reports scores on it.",),
}


CREDITS = {
    "mini": Credit("Mini scene", OURS, **OWN_SCENE),
    "mini_closed": Credit("Mini scene with closed hues", OURS, **OWN_SCENE),
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
    "mpi3d_toy": Credit("MPI3D, simplistic renderings", "CC-BY-4.0", mpi3d.URL, MPI3D),
    "mpi3d_realistic": Credit("MPI3D, realistic renderings", "CC-BY-4.0", mpi3d.URL, MPI3D),
    "mpi3d_real": Credit("MPI3D, photographs", "CC-BY-4.0", mpi3d.URL, MPI3D),
    "cars3d": Credit("Cars3D", UNKNOWN, cars3d.URL, CARS3D),
    "smallnorb": Credit("SmallNORB", "for research purposes, not to be sold", smallnorb.URL, SMALLNORB),
}
"""Keys of DATASETS. Licences are those that the authors' pages state."""


def credit_of(dataset: str, source: str) -> Credit:
    """Return what is known of the images of a benchmark file.

    Args:
        dataset: name of its ground truth. One of a user's own has that for a title, and no licence that we could know.
        source: what made the originals; a user's own code may have any name.

    """
    return Credit(dataset) if "source=code" in source.split(", ") else CREDITS.get(dataset, Credit(dataset))
