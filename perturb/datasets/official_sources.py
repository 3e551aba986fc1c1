"""URLs of the files that the datasets' authors publish. To add a file, add one entry to `OFFICIAL_SOURCES`."""

from dataclasses import dataclass

from perturb.datasets.readers.official import DSPRITES_HDF5_SHA256, SHAPES3D_SHA256, SHAPES3D_URL


@dataclass(frozen=True)
class OfficialSource:
    """A published file."""

    url: str
    file: str
    """Local file name, by which the reader recognises the format."""
    size: int
    """Size of the file in bytes."""
    sha256: str


DSPRITES = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"

OFFICIAL_SOURCES = {
    "dsprites": OfficialSource(
        f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{DSPRITES}",
        DSPRITES,
        28_024_106,
        DSPRITES_HDF5_SHA256,
    ),
    "shapes3d": OfficialSource(SHAPES3D_URL, "3dshapes.h5", 267_573_662, SHAPES3D_SHA256),
}
"""Published files by dataset name, as in `DatasetConfig.name`."""
