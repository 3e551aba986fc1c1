"""Terms of a report that readers may not know: each is defined once, here, and marked where it first occurs on a page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from perturb.metrics import METRICS
from perturb.variants import VARIANTS


@dataclass(frozen=True)
class Word:
    """A term with its definition."""

    term: str
    """The heading of its definition."""
    meaning: str
    """The definition, a phrase without a full stop."""
    forms: str = ""
    """Regular expression for the forms that occur in texts; empty: the term itself."""

    @property
    def name(self) -> str:
        """Suffix of the anchors of its definition and of its first occurrence: letters and hyphens."""
        return re.sub(r"\W+", "-", self.term).strip("-")

    @property
    def pattern(self) -> str:
        """Regular expression for the forms that occur in texts."""
        return self.forms or re.escape(self.term)


_METRICS = {
    "mig": "mutual information gap: for each factor, the mutual information of the most informative latent minus that of "
    "the second, as a share of the factor's entropy; the mean over factors, from 0 to 1",
    "dci": "disentanglement of Eastwood and Williams: how far each latent matters for a single factor only, by the "
    "importances of trees that predict the factors; from 0 to 1",
    "sap": "separated attribute predictability: for each factor, how much better the best latent alone predicts it than the "
    "second; the mean over factors, from 0 to 1",
    "factor_vae": "the share of batches with one fixed factor for which the vote of the latent that varies least names that "
    "factor; from 0 to 1",
}
"""Definitions by key in METRICS."""

WORDS = (
    *(Word(METRICS[key].title, meaning) for key, meaning in _METRICS.items()),
    *(
        Word(name, facts.meaning.rstrip("."))
        for name, facts in VARIANTS.items()
    ),
    Word("ε", "the largest change of a pixel, as a share of the range from black to white"),
    Word("factor", "a property that an image is generated from, such as a hue or a position; the data contain each "
         "combination once", "factors?"),
    Word("latent", "one number of the code that a model gives to an image", "latents?"),
    Word("m_ψ", "the network that generates the trained pattern from an image's factors, through one neuron"),
    Word("pattern", "what is added to the images; another pattern is from another m_ψ or untrained network", "patterns?"),
    Word("scalar", "the single neuron of m_ψ through which all factors pass; the pattern is a function of it alone"),
    Word("restart", "a β-VAE that differs from the others in its seed only; m_ψ is trained against some", "restarts?"),
    Word("ensemble", "the restarts that together represent one kind of code: disentangled or entangled", "ensembles?"),
    Word("alignment", "the form of m_ψ's objective that fits how strongly the images change along each latent; it is ours"),
    Word("literal", "the form of m_ψ's objective that the thesis describes: decoders reconstruct the modified images"),
    Word("retained share", "the mean score on a variant divided by the mean on the original", r"retained share|keeps|kept"),
    Word("paired by seed", "differences are between trainings with the same initial weights and batches"),
    Word("Holm", "a correction of p-values for the number of comparisons, so that few differences look certain by chance"),
    Word("line search", "trainings with other values of a method's primary hyper-parameter", "[Ll]ine search"),
    Word("read-out", "a supervised network that predicts the factors of an image", "read-?outs?|supervised networks?"),
    Word("pruned unit", "a latent that training has switched off: its posterior is the prior; a run with fewer active units "
         "than factors is over-pruned", "pruned units?|over-pruned|active units"),
)  # fmt: skip
"""All terms that a page marks at their first occurrence."""

_PLACES = re.compile(
    r"(?<![\w.-])(?:" + "|".join(f"(?P<w{number}>{word.pattern})" for number, word in enumerate(WORDS)) + r")(?![\w-]|\.h5)"
)


class Glossary:
    """The terms that have occurred on a page so far, in order of occurrence."""

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}

    def mark(self, text: object) -> Markup:
        """Return a text as escaped HTML; terms that are new to the page link to their definitions.

        The definition is also the link's title: a pointer shows it on hover, and the page's style on keyboard focus.

        """
        parts, end, plain = [], 0, str(text)
        for found in _PLACES.finditer(plain):
            word = WORDS[int(str(found.lastgroup)[1:])]
            if word.term in self.words:
                continue
            self.words[word.term] = word
            link = '<dfn id="first-{0}"><a class="word" href="#word-{0}" title="{1}">{2}</a></dfn>'
            parts += [Markup.escape(plain[end : found.start()]), Markup(link).format(word.name, word.meaning, found[0])]
            end = found.end()
        return Markup("").join([*parts, Markup.escape(plain[end:])])

    def __iter__(self) -> Iterator[Word]:
        """Yield the marked terms in alphabetical order."""
        return iter(sorted(self.words.values(), key=lambda word: word.term.casefold()))
