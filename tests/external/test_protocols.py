"""Models follow one of three protocols or are refused in one sentence; the loop trains a module with a loss."""

import re
from functools import partial

import faulty_models
import numpy as np
import pytest
import torch
from faulty_models import Fitted, Flat, Linear, OnlyFit

from perturb.errors import UserError
from perturb.external import Training, load_benchmark, loop, protocols

OFFERS = {"image_shape": (3, 32, 32), "num_factors": 4, "seed": 7}
IMAGES = np.zeros((3, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent_package.models:make", "there is no module absent_package to be found from here; run the command where"),
        ("json.absent:make", "there is no module json.absent to be found from here"),
        ("json", "a factory is named package.module:name, got json."),
        (":make", "a factory is named package.module:name, got :make."),
        ("json:absent", "json has no absent; name a function or a class in it."),
        ("faulty_models:number", "faulty_models:number must be a function or a class that returns a model, and is int."),
    ],
)
def test_an_invalid_factory_is_reported_in_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        protocols.load_factory(name)


def test_a_factory_is_found_by_its_name() -> None:
    assert protocols.load_factory("faulty_models:Linear.loss") is Linear.loss


@pytest.mark.parametrize(
    ("factory", "fitted", "sentence"),
    [
        (OnlyFit, False, "the model (OnlyFit) has no encode(images), which returns the codes (n, latents)."),
        (
            Fitted,
            False,
            "the model (Fitted) has neither fit(dataset, seed), nor a torch module named `module` with loss(batch)",
        ),
        (lambda: None, True, "the model (NoneType) has no encode(images)"),
        (
            partial(Flat.encode, images=IMAGES),
            True,
            "the factory faulty_models:Flat.encode needs self, but may only take image_shape, num_factors, seed; wrap",
        ),
        (
            lambda width, *more, depth=3: None,
            True,
            "<lambda> needs width, but may only take image_shape, num_factors, seed",
        ),
    ],
)
def test_a_model_without_a_protocol_is_told_what_it_lacks(factory: object, fitted: bool, sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        protocols.made_by(factory, OFFERS, fitted=fitted)


def test_the_protocol_of_a_model_follows_from_its_methods() -> None:
    assert protocols.made_by(faulty_models.Noted, OFFERS, fitted=False)[1] == "fit"
    assert protocols.made_by(faulty_models.Noted, OFFERS, fitted=True)[1] == "encoder"
    assert protocols.made_by(Linear, OFFERS, fitted=False)[1] == "loop"


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        (torch.zeros(3), "encode must return numbers (3, latents) for 3 images, got float32 of shape (3,)."),
        (np.zeros((2, 4)), "encode must return numbers (3, latents) for 3 images, got float64 of shape (2, 4)."),
        (["a", "b", "c"], "got <U1 of shape (3,)."),
        (np.zeros((3, 4), complex), "got complex128 of shape (3, 4)."),
    ],
)
def test_codes_of_the_wrong_shape_are_refused(codes: object, sentence: str) -> None:
    model = Fitted()
    model.encode = lambda images: codes
    with pytest.raises(UserError, match=re.escape(sentence)):
        protocols.encoder_of(model)(IMAGES)


def test_encode_gets_floats_between_0_and_1_with_channels_first() -> None:
    seen = []
    model = Fitted()
    model.encode = lambda images: seen.append(images) or images.flatten(1)
    found = protocols.encoder_of(model)(IMAGES + np.uint8(255))
    assert (tuple(seen[0].shape), seen[0].dtype, seen[0].max().item()) == ((3, 3, 32, 32), torch.float32, 1.0)
    assert isinstance(found, np.ndarray)


@pytest.mark.parametrize("settings", [{"a": object()}, {"a": float("nan")}, [1]], ids=["object", "nan", "list"])
def test_settings_that_json_cannot_represent_are_refused(settings: object) -> None:
    model = Fitted()
    model.settings = settings
    with pytest.raises(
        UserError, match=r"^the model's `settings` must be a dict of plain finite values, as JSON has them\.$"
    ):
        protocols.settings_of(model)


def test_the_description_of_a_model_is_its_docstring() -> None:
    assert protocols.described(faulty_models.diverging, Linear()) == "A loss that is infinite."
    assert protocols.described(lambda: None, Linear()) == "A linear autoencoder for perturb's loop."
    assert protocols.described(partial(Linear, scale=2.0), Linear()) == "A linear autoencoder for perturb's loop."


def test_a_factory_is_identified_by_its_name_and_the_file_that_defines_it() -> None:
    assert protocols.identity_of(partial(Linear, scale=2.0)) == protocols.identity_of(Linear) == "faulty_models:Linear"
    assert (
        protocols.code_hash(partial(Linear))
        == protocols.code_hash(faulty_models.diverging)
        != protocols.code_hash(IMAGES.mean)
    )


def _closing_over(value: object) -> object:
    return lambda: value


def test_a_factory_with_other_arguments_or_closed_over_values_has_another_hash() -> None:
    factories = [partial(Linear, scale=2.0), partial(Linear, scale=3.0), _closing_over(2), _closing_over(3), Linear]
    assert len({protocols.state_hash(factory) for factory in factories}) == 5
    assert [protocols.state_hash(factory) for factory in factories] == [
        protocols.state_hash(factory) for factory in factories
    ]
    assert protocols.state_hash(_closing_over(2)) == protocols.state_hash(_closing_over(2))


def _trained(seed: int, steps: int = 30) -> tuple[Linear, list[int]]:
    data, told = load_benchmark("mini"), []
    torch_state = torch.get_rng_state()
    with torch.random.fork_rng():
        torch.random.manual_seed(1)
        model = Linear()
    assert torch.equal(torch.get_rng_state(), torch_state)
    training = Training(steps=steps, batch_size=16, learning_rate=1e-2)
    loop.train(model, data, training, seed=seed, report=lambda done, total: told.append(done))
    return model, told


def test_the_loop_reduces_the_loss_and_leaves_the_module_in_evaluation_mode() -> None:
    images = load_benchmark("mini").batch(range(100))
    model, told = _trained(seed=5)
    assert model.loss(images) < 0.5 * Linear().loss(images)
    assert not model.training
    assert told == list(range(1, 31))


def test_batches_are_determined_by_the_seed() -> None:
    first, same, other = (_trained(seed, steps=3)[0].down.weight for seed in (5, 5, 6))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (lambda batch: float("nan") * batch.mean() + torch.zeros((), requires_grad=True), "the loss was nan at step 1."),
        (lambda batch: 1.0, "loss(batch) must return a scalar tensor with a gradient, got float."),
        (lambda batch: batch.mean(), "got a tensor of shape () without a gradient."),
        (lambda batch: torch.zeros(3, requires_grad=True), "got a tensor of shape (3,)."),
    ],
    ids=["nan", "number", "constant", "vector"],
)
def test_a_loss_that_cannot_be_minimised_ends_the_run(loss: object, sentence: str) -> None:
    model = Linear()
    model.loss = loss
    with pytest.raises(UserError, match=re.escape(sentence)):
        loop.train(model, load_benchmark("mini"), Training(steps=2), seed=0)


def test_a_rehearsal_finds_faults_of_encode_and_loss_before_training() -> None:
    data, training = load_benchmark("mini"), Training()
    with pytest.raises(UserError, match="encode must return numbers"):
        loop.rehearse(Flat(), "encoder", data, training, protocols.encoder_of(Flat()))
    model = Linear()
    model.loss = lambda batch: None
    with pytest.raises(UserError, match="got NoneType"):
        loop.rehearse(model, "loop", data, training, protocols.encoder_of(model))
    loop.rehearse(Flat(), "fit", data, training, protocols.encoder_of(Flat()))


def test_codes_may_have_a_dtype_that_numpy_lacks() -> None:
    class Rounded:
        def encode(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, :4].bfloat16().requires_grad_()

    codes = protocols.encoder_of(Rounded())(IMAGES)
    assert (codes.dtype, codes.shape) == (np.float32, (3, 4))


def test_a_factory_receives_the_arguments_that_its_parameters_name() -> None:
    def made(num_factors: int, *, seed: int, width: int = 3) -> Fitted:
        model = Fitted()
        model.settings = {"asked": [num_factors, seed, width]}
        return model

    data = load_benchmark("mini")
    offers = protocols.offered(data.image_shape, data.grid, 7)
    model, _ = protocols.made_by(made, offers, fitted=True)
    assert model.settings == {"asked": [4, 7, 3]}
    assert offers == OFFERS
