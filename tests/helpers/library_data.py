"""disentanglement_lib's readers of datasets, unmodified; what they need of TensorFlow and of an old Pillow is made up."""

import importlib
import os
import sys
from types import ModuleType, SimpleNamespace

import PIL.Image
import pytest


def library_reader(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of `disentanglement_lib.data.ground_truth`, as long as the monkeypatch holds."""
    tensorflow = ModuleType("tensorflow.compat.v1")
    tensorflow.gfile = SimpleNamespace(Open=open, GFile=open, ListDirectory=os.listdir)
    compat = ModuleType("tensorflow.compat")
    compat.v1 = tensorflow
    for key, module in {"tensorflow": ModuleType("tensorflow"), "tensorflow.compat": compat}.items():
        monkeypatch.setitem(sys.modules, key, module)
    monkeypatch.setitem(sys.modules, "tensorflow.compat.v1", tensorflow)
    thumbnail = PIL.Image.Image.thumbnail
    monkeypatch.setattr(PIL.Image, "ANTIALIAS", PIL.Image.Resampling.LANCZOS, raising=False)
    monkeypatch.setattr(PIL.Image.Image, "thumbnail", lambda image, size, how: thumbnail(image, size[:2], how))
    return importlib.import_module(f"disentanglement_lib.data.ground_truth.{name}")
