"""Models as users write them, most of them faulty."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Fitted:
    """Mean colours: nothing to train."""

    settings = {"pool": 16}  # noqa: RUF012

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return codes (n, 12)."""
        return nn.functional.avg_pool2d(images, 16).flatten(1)


class EachInItsWay(Fitted):
    """Fits the original, raises on modified images, hangs under noise, and fills memory on the untrained pattern."""

    def fit(self, dataset, seed):
        """Behave as the class describes."""
        print(f"fitting {dataset.variant} with {seed}")
        if dataset.variant == "modified":
            self._deeper()
        if dataset.variant == "noise":
            time.sleep(600)
        if dataset.variant == "untrained":
            kept = [np.ones(2**23) for _ in range(200)]
            time.sleep(len(kept))

    def _deeper(self):
        raise RuntimeError("no [bold]such[/bold] | luck")


class Noted(Fitted):
    """Records each fit; under noise it waits for a file to appear."""

    def fit(self, dataset, seed):
        """Append a line to the file `fits` in the folder that NOTES names."""
        folder = Path(os.environ["NOTES"])
        with (folder / "fits").open("a") as file:
            file.write(f"{dataset.variant} {seed} {os.getpid()} {torch.rand(1).item()}\n")
        while dataset.variant == "noise" and not (folder / "go").exists():
            time.sleep(0.05)


class FailsOnce(Fitted):
    """Exits with code 3 until the folder NOTES contains a file `fixed`."""

    def fit(self, dataset, seed):
        """Exit unless that file exists."""
        if not (Path(os.environ["NOTES"]) / "fixed").exists():
            raise SystemExit(3)


class Flat(Fitted):
    """Returns codes without an axis for latents."""

    def encode(self, images):
        """Return codes (n,)."""
        return images.mean((1, 2, 3))


class NaNOrDead(Fitted):
    """Returns NaN codes; on modified images it aborts the process."""

    def fit(self, dataset, seed):
        """Abort the process, bypassing Python."""
        if dataset.variant == "modified":
            print("last words", flush=True)
            os.abort()

    def encode(self, images):
        """(n, 12)."""
        return super().encode(images) * float("nan")


class Linear(nn.Module):
    """A linear autoencoder for perturb's loop."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.settings = {"scale": scale}
        self.down, self.up = nn.Linear(192, 4), nn.Linear(4, 192)

    def loss(self, batch):
        """The loss of pooled images."""
        pooled = nn.functional.avg_pool2d(batch, 4).flatten(1)
        return self.settings["scale"] * (self.up(self.down(pooled)) - pooled).square().sum(1).mean()

    def encode(self, images):
        """(n, 4)."""
        return self.down(nn.functional.avg_pool2d(images, 4).flatten(1))


def diverging():
    """A loss that is infinite."""
    return Linear(scale=float("1e39"))


def raising():
    """Raises instead of returning a model."""
    raise KeyError("no such checkpoint")


class OnlyFit:
    """A model without encode."""

    def fit(self, dataset, seed):
        """Do nothing."""


number = 7


class WritesToWhatIsRead(Linear):
    """A model that writes to the benchmark's unpacked images, as root can."""

    def fit(self, dataset: object, seed: int) -> None:
        """Damage the shared images."""
        path = Path(f"{dataset.path}.pixels") / "images.npy"
        path.chmod(0o644)
        with path.open("r+b") as file:
            file.seek(1_000)
            file.write(bytes(200_000))


class PatchesTheScorer(Fitted):
    """A model that would get a MIG of 1 if it were scored in its own process."""

    def fit(self, dataset, seed):
        """Replace the scoring functions."""
        from perturb import metrics
        from perturb.external import worker
        from perturb.metrics import scoring

        for module in (metrics, scoring, worker):
            module.score_defined = lambda *_, **__: ({"mig": {"mig": 1.0}}, {})


class Wordy(Fitted):
    """Exits after printing a long line with tabs and colours, or raises a message that is not valid text."""

    def fit(self, dataset, seed):
        """Behave as the class describes."""
        if dataset.variant == "modified":
            raise RuntimeError("no\ud800 \x1b[31mtext" + "x" * 10**6)
        print("\tloss \x1b[31m" + "step " * 2000, flush=True)
        os._exit(3)


Nameless = type("", (Fitted,), {})
TwoLined = type("two\nlines", (Fitted,), {})
LongNamed = type("L" * 81, (Fitted,), {})


class OneLatent(Fitted):
    """Returns codes of one latent, which metrics that compare latents refuse."""

    def encode(self, images):
        """(n, 1)."""
        return super().encode(images)[:, :1]


class EndsTheServer(Fitted):
    """Kills the process that forks the runs, as a system short of memory would."""

    def fit(self, dataset, seed):
        """Kill it the first time; append its process id to the file `servers` every time."""
        above = os.getpid()
        for _ in range(3):
            above = int(Path(f"/proc/{above}/stat").read_text().rpartition(")")[2].split()[1])
        notes = Path(os.environ["NOTES"]) / "servers"
        first = not notes.exists()
        with notes.open("a") as file:
            file.write(f"{above}\n")
        if first:
            os.kill(above, signal.SIGKILL)
            time.sleep(600)


class Daemon(Fitted):
    """Leaves a process in its own session: a large one on the original, and one on the modified images while it prints."""

    def fit(self, dataset, seed):
        """Behave as the class describes."""
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                (Path(os.environ["NOTES"]) / dataset.variant).write_text(str(os.getpid()))
                kept = np.ones(2**27) if dataset.variant == "original" else None
                time.sleep(600 if kept is None else 601)
            os._exit(0)
        if dataset.variant == "original":
            time.sleep(600)
        while not (Path(os.environ["NOTES"]) / dataset.variant).exists():
            time.sleep(0.01)
        for _ in range(100):
            print("x" * 2**20)
