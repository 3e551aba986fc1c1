"""Factories for the examples of optional packages, with trainings of a second or two."""

from typing import Any

from peers import torchvision_is_importable


def lightning(image_shape: tuple[int, int, int], num_factors: int) -> Any:
    """The β-VAE of examples/lightning_module."""
    torchvision_is_importable()
    from lightning_vae import make

    return make(image_shape, num_factors, steps=20)


def pythae(image_shape: tuple[int, int, int], num_factors: int) -> Any:
    """The β-VAE of examples/pythae_model."""
    from pythae_vae import make

    return make(image_shape, num_factors, epochs=1)
