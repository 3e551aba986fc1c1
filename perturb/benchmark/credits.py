"""Credits for the images in a benchmark file: titles, addresses, licences, citations."""

from perturb.datasets import DATASETS
from perturb.datasets.credit import Credit

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


def credit_of(dataset: str, source: str) -> Credit:
    """Return the credit for the images of a benchmark file.

    Args:
        dataset: name of its ground truth. For a user's own ground truth, the title is this name and the licence is unknown.
        source: the source of the originals; a user's own code may have any name.

    """
    known = None if "source=code" in source.split(", ") or dataset not in DATASETS else DATASETS[dataset].kind.credit
    return known or Credit(dataset)
