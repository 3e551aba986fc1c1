"""Makes packages of others importable without dependencies that they import but never call here."""

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
    """Return an unmodified module of `disentanglement_lib.data.ground_truth` that reads from the folder `data`.

    It is imported anew, because it looks up the folder on import, and is valid as long as the monkeypatch.
    """
    tensorflow_stands_in(monkeypatch)
    old_pillow_stands_in(monkeypatch)
    monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", data)
    return import_module(f"disentanglement_lib.data.ground_truth.{name}")


def tensorflow_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the parts of TensorFlow that the library's readers import, and unload those readers."""
    version_1 = ModuleType("tensorflow.compat.v1")
    version_1.gfile = SimpleNamespace(Open=_opened, GFile=_opened, ListDirectory=os.listdir)
    compat, tensorflow = ModuleType("tensorflow.compat"), ModuleType("tensorflow")
    compat.v1, tensorflow.compat = version_1, compat
    for module in (tensorflow, compat, version_1):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in [name for name in sys.modules if name.startswith("disentanglement_lib.data")]:
        monkeypatch.delitem(sys.modules, name)


def old_pillow_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the functions of Pillow before 10 that the library's readers call."""
    thumbnail = PIL.Image.Image.thumbnail
    monkeypatch.setattr(PIL.Image, "ANTIALIAS", PIL.Image.Resampling.LANCZOS, raising=False)
    monkeypatch.setattr(PIL.Image.Image, "thumbnail", lambda image, size, how: thumbnail(image, size[:2], how))


def _opened(path: str, mode: str) -> AbstractContextManager[io.BytesIO]:
    """Open a file that can be read after closing, as TensorFlow's can; the reader of Shapes3D relies on it."""
    assert mode == "rb"
    return nullcontext(io.BytesIO(Path(path).read_bytes()))


def disent_data() -> ModuleType:
    """Return `disent.dataset.data`; skip the test if disent is not installed."""
    pytest.importorskip("disent")
    torchvision_is_importable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that numba is missing, which is not needed here
        return import_module("disent.dataset.data")


def torchvision_is_importable() -> None:
    """Declare two operators that PyPI's torchvision lacks with a CPU build of torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision  # noqa: F401
        except ImportError:
            return
        except RuntimeError:
            for operator in ("nms", "qnms"):
                torch.library.define(f"torchvision::{operator}", "() -> ()")
