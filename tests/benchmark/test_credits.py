"""Images of others are never given a licence that is not theirs."""

import pytest

from perturb.benchmark.credits import credit_of
from perturb.datasets import DATASETS, GroundTruth, renderer_of
from perturb.datasets.credit import OURS, UNKNOWN
from perturb.datasets.hdf5.schema import source


@pytest.mark.parametrize(
    ("dataset", "licence"),
    [
        ("mini", OURS),
        ("dsprites", OURS),
        ("shapes3d", OURS),
        ("mpi3d_real", "CC-BY-4.0"),
        ("cars3d", UNKNOWN),
        ("smallnorb", "for research purposes, not to be sold"),
        ("discs", UNKNOWN),
    ],
)
def test_an_official_file_has_its_authors_licence(dataset: str, licence: str) -> None:
    assert credit_of(dataset, "path_name=x, sha256=0, source=file").licence == licence


def test_every_dataset_is_credited() -> None:
    credits_ = {name: dataset.kind.credit for name, dataset in DATASETS.items()}
    assert len({credit.title for credit in credits_.values()}) == len(DATASETS)
    assert all(credit.url and credit.bibtex for name, credit in credits_.items() if not name.startswith("mini"))


class Mini(GroundTruth):
    """A user's own ground truth with the name of one of ours."""

    grid = DATASETS["mini"].kind.grid
    image_shape = (32, 32, 3)

    def images(self, indices):
        return renderer_of("mini").images(indices)


def test_a_users_own_images_never_get_our_licence_whatever_their_name() -> None:
    assert Mini.name == "mini"
    assert credit_of("mini", source(renderer_of("mini"))).licence == OURS
    assert credit_of("mini", source(Mini())) == credit_of("mini", "class=Mini, sha256=, source=code")
    assert credit_of("mini", source(Mini())).licence == UNKNOWN
