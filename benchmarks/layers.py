"""Breakdown of a training step's time: each layer of the 64 × 64 networks alone, the rest of the step, and the target.

    python benchmarks/layers.py [--quick] [--json OUT]

A β-VAE trains in bfloat16 on one core, as restarts do. A layer's time is that of its forward and backward pass on inputs in
memory; next to it is the time that its multiplications would take at that core's rate of large matrix products. The target
is 4 × the plain loop, which has all cores to itself. Close all other programs first.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn
from training import BATCH, LATENTS, WARM_UP, engine_step, images, peer_rate, seconds_a_step, show
from training_peers import plain_loop

from perturb.datasets.pixels import Pixels
from perturb.files import write_json
from perturb.machine import available_cores, software_versions
from perturb.models import ARCHITECTURES
from perturb.models.layers import Layer, glorot_uniform_, with_float32_input, with_float32_output
from perturb.training.memory import keep_freed_memory

TIMES = 4
"""The target rate, as a multiple of the plain loop's."""
SIDE = 4_096


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    """Return the encoder and decoder of one restart, each with an input."""
    architecture, dtype = ARCHITECTURES["conv64"], torch.bfloat16
    found = {
        "encoder": (with_float32_output(architecture.encoder(1, 1, LATENTS)), torch.rand(1, BATCH, 64, 64, 1, dtype=dtype)),
        "decoder": (with_float32_input(architecture.decoder(1, 1, LATENTS), dtype), torch.randn(1, BATCH, LATENTS)),
    }
    for network, _ in found.values():
        glorot_uniform_(network, generators=[torch.Generator().manual_seed(0)])
    return found


def layers(network: nn.Module, data: Tensor) -> list[tuple[Layer, Tensor, Tensor]]:
    """Return every layer with weights, with its input and output."""
    found: list[tuple[Layer, Tensor, Tensor]] = []
    handles = [
        layer.register_forward_hook(lambda layer, inputs, output: found.append((layer, inputs[0].detach(), output.detach())))
        for layer in network.modules()
        if isinstance(layer, Layer)
    ]
    network(data)
    for handle in handles:
        handle.remove()
    return found


def multiplications(layer: Layer, data: Tensor, output: Tensor) -> float:
    """Count the forward pass's multiplications: each weight is used once per position of the smaller of input and output."""
    positions = min(one.numel() // one.shape[-1] for one in (data, output))
    return float(positions * layer.weight.numel())


def measured(layer: Layer, data: Tensor, output: Tensor, *, first: bool, steps: int, rate: float) -> dict[str, Any]:
    """Milliseconds of both passes, and of its multiplications at a rate; the first layer's images need no gradient."""
    data, gradient = data.clone().requires_grad_(not first), torch.randn_like(output)
    wanted = [layer.weight, layer.bias] if first else [data, layer.weight, layer.bias]

    @torch.no_grad()
    def forward(_: int) -> None:
        layer(data)

    found = layer(data)

    def backward(_: int) -> None:
        torch.autograd.grad(found, wanted, gradient, retain_graph=True)

    times = [1e3 * seconds_a_step(run, steps) for run in (forward, backward)]
    passes = 2 if first else 3
    return {
        "name": f"{type(layer).__name__} {tuple(data.shape[2:])} → {tuple(output.shape[2:])}",
        "forward": times[0],
        "backward": times[1],
        "at the matrix rate": 2e3 * passes * multiplications(layer, data, output) / rate,
    }


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer steps.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure, print the numbers, and write them."""
    keep_freed_memory()
    torch.set_num_threads(1)
    steps = WARM_UP if quick else 100
    matrix = torch.randn(SIDE, SIDE).bfloat16()
    rate = 2 * SIDE**3 / seconds_a_step(lambda _: matrix @ matrix, 2 if quick else 10)
    rows = [
        measured(*layer, first=name == "encoder" and number == 0, steps=steps, rate=rate)
        for name, (network, data) in networks().items()
        for number, layer in enumerate(layers(network, data))
    ]
    pixels = Pixels(np.packbits(images()[..., 0] > 0, axis=-1), packed=True)
    whole = 1e3 * seconds_a_step(engine_step(1, pixels), steps)
    plain = peer_rate(plain_loop, steps)
    alone = sum(row["forward"] + row["backward"] for row in rows)
    step = {
        "layers alone": alone,
        "the rest": whole - alone,
        "step": whole,
        "all multiplications at the matrix rate": sum(row["at the matrix rate"] for row in rows),
        f"a step at {TIMES} × the plain loop": 1e3 * available_cores() * BATCH / (TIMES * plain),
    }
    show(f"Milliseconds on one core, batch {BATCH}; {rate / 1e9:.0f} GFLOP/s in large products", rows)
    show("The step, milliseconds", [step])
    if out is not None:
        write_json(out, {"bf16_gflops": rate / 1e9, "layers": rows, "step": step, "versions": software_versions()})


if __name__ == "__main__":
    typer.run(main)
