"""The glossary's table of terms and how they are marked in texts."""

import re

import pytest

from perturb.report.glossary import WORDS, Glossary, Word
from perturb.variants import VARIANTS


def test_every_glossary_term_is_defined_once_by_a_phrase() -> None:
    assert len({word.term for word in WORDS}) == len({word.name for word in WORDS}) == len(WORDS)
    assert all(word.meaning and not word.meaning.endswith(".") for word in WORDS)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.term)
def test_every_term_is_recognised_as_it_is_written(word: Word) -> None:
    glossary = Glossary()
    assert f'id="first-{word.name}"' in glossary.mark(f"Of {word.term}.")
    assert [found.term for found in glossary] == [word.term]


def test_the_terms_of_the_field_are_in_the_glossary() -> None:
    ours = "latent", "factor", "m_ψ", "ε", "literal", "ensemble", "retained share", "line search", "read-out", "pruned unit"
    assert {*ours, "MIG", "DCI", "SAP", "FactorVAE score", *VARIANTS} <= {word.term for word in WORDS}


@pytest.mark.parametrize(
    "text", ["MIG-sup", "modified.h5", "modified-2", "FactorVAE", "untrainedness", "multifactor", "matched_noises", "1.ε"]
)
def test_a_term_within_a_longer_word_is_not_marked(text: str) -> None:
    assert Glossary().mark(text) == text


FORMS = {
    "factors": "factor", "over-pruned": "pruned unit", "it keeps": "retained share", "Line search": "line search",
    "supervised network": "read-out",
}  # fmt: skip


@pytest.mark.parametrize(("text", "term"), FORMS.items())
def test_other_forms_of_a_term_lead_to_the_same_definition(text: str, term: str) -> None:
    glossary = Glossary()
    assert re.sub(r"<[^>]*>", "", glossary.mark(text)) == text
    assert [word.term for word in glossary] == [term]


def test_a_term_is_marked_only_once_per_page() -> None:
    glossary = Glossary()
    assert "dfn" in glossary.mark("MIG")
    assert glossary.mark("MIG & <MIG>") == "MIG &amp; &lt;MIG&gt;"
    assert "dfn" in Glossary().mark("MIG")
