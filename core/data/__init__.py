"""Data sets: what they are, whether they are on this machine, their splits and their download.

Reading a data set imports neither torch nor torchvision; only :func:`download` imports torchvision.
"""

from core.data.catalogue import DATASETS, DatasetInfo
from core.data.download import download
from core.data.files import Availability, availability, data_root
from core.data.splits import Split, digest, held_out, load

__all__ = [
    "DATASETS",
    "Availability",
    "DatasetInfo",
    "Split",
    "availability",
    "data_root",
    "digest",
    "download",
    "held_out",
    "load",
]
