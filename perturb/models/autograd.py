"""The context of hand-written gradients, as far as torch's type stubs leave it out."""

from typing import Protocol

from torch import Tensor


class Context(Protocol):
    """The `ctx` that an autograd function passes from its forward pass to its backward pass.

    The stubs declare the attributes on a class outside the public API, and as tuples of length 1.
    """

    saved_tensors: tuple[Tensor, ...]
    """The tensors that `save_for_backward` was given."""
    needs_input_grad: tuple[bool, ...]
    """For every argument of the forward pass, True if its gradient is asked for."""

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors for the backward pass."""
        ...
