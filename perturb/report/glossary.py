"""The words of a report that its readers may not know: each is defined once, here, and marked where a page first has it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from perturb.metrics import METRICS
from perturb.variants import VARIANTS


@dataclass(frozen=True)
class Word:
    """A word with its definition."""

    term: str
    """The heading of its definition."""
    meaning: str
    """The definition, a phrase without a full stop."""
    forms: str = ""
    """Regular expression of the forms in which texts have it; empty: the term itself."""

    @property
    def name(self) -> str:
        """The end of the anchors of its definition and of its first place: letters and hyphens."""
        return re.sub(r"\W+", "-", self.term).strip("-")

    @property
    def pattern(self) -> str:
        """Regular expression of the forms in which texts have it."""
        return self.forms or re.escape(self.term)


_METRICS = {
    "mig": "mutual information gap: for each factor, how much more the latent that knows most of it knows than the second, "
    "as a share of the factor's entropy; the mean over factors, from 0 to 1",
    "dci": "disentanglement of Eastwood and Williams: how far each latent matters for a single factor, by the importances "
    "of trees that predict the factors; from 0 to 1",
    "sap": "separated attribute predictability: for each factor, how much better the best latent alone predicts it than the "
    "second; the mean over factors, from 0 to 1",
    "factor_vae": "the share of batches with one factor held fixed of which a vote by the latent that varies least names "
    "that factor; from 0 to 1",
}
"""Definitions by key in METRICS."""

WORDS = (
    *(Word(METRICS[key].title, meaning) for key, meaning in _METRICS.items()),
    *(
        Word(name, facts.meaning.rstrip("."))
        for name, facts in VARIANTS.items()
    ),
    Word("ε", "the most that a pixel may change, as a share of the range from black to white"),
    Word("factor", "what an image is drawn from, such as a hue or a position; data have each combination once", "factors?"),
    Word("latent", "one number of the code that a model gives to an image", "latents?"),
    Word("m_ψ", "the network that draws the trained pattern from an image's factors, through one neuron"),
    Word("pattern", "what is added to the images; another one is another m_ψ, or another untrained network", "patterns?"),
    Word("scalar", "the single neuron of m_ψ through which all factors pass; the pattern is a function of it alone"),
    Word("restart", "a β-VAE that differs from the others in its seed alone; m_ψ is trained against some", "restarts?"),
    Word("ensemble", "the restarts that stand for one kind of code together: disentangled or entangled", "ensembles?"),
    Word("alignment", "the form of m_ψ's objective that fits how strongly the images change along each latent; it is ours"),
    Word("literal", "the form of m_ψ's objective that the thesis describes: decoders reconstruct the modified images"),
    Word("retained share", "the mean score on a variant divided by the mean on the original", r"retained share|keeps|kept"),
    Word("paired by seed", "differences are taken between trainings with the same first weights and batches"),
    Word("Holm", "a correction of p-values for the number of comparisons, such that few differences look certain by luck"),
    Word("line search", "trainings with other values of a method's primary hyper-parameter", "[Ll]ine search"),
    Word("read-out", "a supervised network that is asked for the factors of an image", "read-?outs?|supervised networks?"),
    Word("pruned unit", "a latent that training has switched off: its posterior is the prior; a run with fewer active units "
         "than factors is over-pruned", "pruned units?|over-pruned|active units"),
)  # fmt: skip
"""All words that a page defines where they first stand."""

_PLACES = re.compile(
    r"(?<![\w.-])(?:" + "|".join(f"(?P<w{number}>{word.pattern})" for number, word in enumerate(WORDS)) + r")(?![\w-]|\.h5)"
)


class Glossary:
    """The words that one page has had so far, in the order in which they came."""

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}

    def mark(self, text: object) -> Markup:
        """A text as HTML, escaped; each word that the page has not had yet leads to its definition.

        The definition is the link's title, which a pointer shows, and the page's style shows it at the keyboard's focus.

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
        """Yield the words that have been marked, by their terms."""
        return iter(sorted(self.words.values(), key=lambda word: word.term.casefold()))
