"""Other people's packages made importable where the environment lacks what they import and never call here."""

import io
import os
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import PIL.Image
import pytest
import torch


def library_module(name: str, monkeypatch: pytest.MonkeyPatch, *, data: str = ".") -> ModuleType:
    """A module of `disentanglement_lib.data.ground_truth`, unmodified, that reads below the folder `data`.

    It is imported afresh, because it looks up the folder while it is imported, and lasts as long as the monkeypatch.
    """
    tensorflow_stands_in(monkeypatch)
    old_pillow_stands_in(monkeypatch)
    monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", data)
    return import_module(f"disentanglement_lib.data.ground_truth.{name}")


def tensorflow_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library's readers import of TensorFlow, as long as the monkeypatch holds; its readers are forgotten."""
    version_1 = ModuleType("tensorflow.compat.v1")
    version_1.gfile = SimpleNamespace(Open=_opened, GFile=_opened, ListDirectory=os.listdir)
    compat, tensorflow = ModuleType("tensorflow.compat"), ModuleType("tensorflow")
    compat.v1, tensorflow.compat = version_1, compat
    for module in (tensorflow, compat, version_1):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in [name for name in sys.modules if name.startswith("disentanglement_lib.data")]:
        monkeypatch.delitem(sys.modules, name)


def old_pillow_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library's readers call of a Pillow before 10, as long as the monkeypatch holds."""
    thumbnail = PIL.Image.Image.thumbnail
    monkeypatch.setattr(PIL.Image, "ANTIALIAS", PIL.Image.Resampling.LANCZOS, raising=False)
    monkeypatch.setattr(PIL.Image.Image, "thumbnail", lambda image, size, how: thumbnail(image, size[:2], how))


def _opened(path: str, mode: str) -> AbstractContextManager[io.BytesIO]:
    """TensorFlow's files can be read on after they were closed, and the reader of Shapes3D does so."""
    assert mode == "rb"
    return nullcontext(io.BytesIO(Path(path).read_bytes()))


def disent_data() -> ModuleType:
    """`disent.dataset.data`, or the test is skipped where disent is not installed."""
    pytest.importorskip("disent")
    torchvision_is_importable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba, which compiles what is not used here, is not installed
        return import_module("disent.dataset.data")


def torchvision_is_importable() -> None:
    """Declare the two operators that torchvision misses where its wheel is PyPI's and torch is a CPU build."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision  # noqa: F401
        except ImportError:
            return
        except RuntimeError:
            for operator in ("nms", "qnms"):
                torch.library.define(f"torchvision::{operator}", "() -> ()")
