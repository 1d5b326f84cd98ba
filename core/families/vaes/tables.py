"""The tables of a VAE's evaluation, from the terms of its bound and its encoded means. No torch.

``loss``, ``reconstruction`` and ``kl`` are per image and in nats; ``loss = reconstruction + kl`` is the negative ELBO.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.tables import EPOCH, INDEX, LABEL, SPLIT, Table, declared, number, whole

_TERMS = {
    "n": whole(1),
    "loss": number(),
    "standard_error": number(0, missing=True),  # of a single image
    "reconstruction": number(),
    "kl": number(0),
}
TABLES = declared(
    [
        Table("measures", {"epoch": EPOCH, "split": SPLIT, **_TERMS}),
        Table("per_class", {"epoch": EPOCH, "split": SPLIT, "label": LABEL, **_TERMS}),
        Table(
            "latent_map",
            {
                "epoch": EPOCH,
                "index": INDEX,
                "label": LABEL,
                "x": number(-2, 2),
                "y": number(-2, 2),
                "loss": number(),
                "neighbour": LABEL,
            },
        ),
        Table("shown", {"validation_index": INDEX, "train_index": INDEX}),
    ]
)

MAP_IMAGES = 2000  # images on the latent map
PERPLEXITY = 30.0
MAP_STEPS = 500


def measures(reconstruction: NDArray[np.float64], kl: NDArray[np.float64]) -> pd.DataFrame:
    """Return one row ``n, loss, standard_error, reconstruction, kl``: means over images.

    Parameters
    ----------
    reconstruction, kl
        Shape (n,), in nats. ``standard_error`` is that of the mean loss, from the spread over the images.
    """
    loss = reconstruction + kl
    error = loss.std(ddof=1) / np.sqrt(len(loss)) if len(loss) > 1 else np.nan
    row = {"loss": loss.mean(), "standard_error": error, "reconstruction": reconstruction.mean(), "kl": kl.mean()}
    return pd.DataFrame({"n": [len(loss)], **{name: [float(value)] for name, value in row.items()}})


def per_class(reconstruction: NDArray[np.float64], kl: NDArray[np.float64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """Return the columns of :func:`measures` for each class, with its ``label`` in front."""
    parts = [measures(reconstruction[labels == c], kl[labels == c]).assign(label=int(c)) for c in np.unique(labels)]
    frame = pd.concat(parts, ignore_index=True)
    return frame[["label", *(name for name in frame.columns if name != "label")]]


def gap_at_equal_shares(classes: pd.DataFrame) -> float:
    """Return the mean over classes of validation loss minus training loss, in nats.

    The splits do not hold the classes in equal shares, and a 1 costs far less than a 0: part of the plain gap
    comes from that alone.

    Parameters
    ----------
    classes
        Columns ``split`` (``train`` and ``validation``), ``label, loss``.
    """
    wide = classes.pivot(index="label", columns="split", values="loss")
    return float((wide["validation"] - wide["train"]).mean())


def nearest(mu: NDArray[np.floating], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the image whose encoded mean is nearest to that of each image in ``places``, other than itself.

    Parameters
    ----------
    mu
        Encoded means, shape (n, latent_dim).
    places
        Shape (m,).

    Returns
    -------
    ndarray of int64, shape (m,)
    """
    squares = np.square(mu, dtype=np.float64).sum(1)
    found = np.empty(len(places), dtype=np.int64)
    for start in range(0, len(places), 500):  # at most 500 x n distances in memory
        rows = places[start : start + 500]
        distances = squares[None, :] - 2.0 * (mu[rows] @ mu.T)
        distances[np.arange(len(rows)), rows] = np.inf
        found[start : start + 500] = distances.argmin(1)
    return found


def neighbour_map(
    mu: NDArray[np.floating], start: NDArray[np.floating] | None = None, *, seed: int = 0
) -> NDArray[np.float64]:
    """Return places in the plane in which neighbours stay neighbours: t-SNE (van der Maaten and Hinton, JMLR 2008).

    Distances between far points, sizes of clusters and the axes mean nothing.

    Parameters
    ----------
    mu
        Encoded means, shape (n, latent_dim), n > 3.
    start
        A map of the same images to start from, (n, 2), so that maps of two epochs resemble each other; otherwise
        the principal components.

    Returns
    -------
    ndarray, shape (n, 2)
        Scaled so that the farthest point lies at distance 1 from the centre.
    """
    from sklearn.manifold import TSNE  # half a second, which whoever only reads tables need not wait

    begin: str | NDArray[np.floating] = "pca" if mu.shape[1] > 1 else "random"  # one dimension has no two components
    if start is not None:
        begin = (1e-4 * start / start.std()).astype(np.float32)
    perplexity = min(PERPLEXITY, (len(mu) - 1) / 3)
    machine = TSNE(init=begin, perplexity=perplexity, max_iter=MAP_STEPS, random_state=seed)
    places = machine.fit_transform(np.asarray(mu, dtype=np.float32)).astype(np.float64)
    places -= places.mean(0)
    if start is not None:  # t-SNE does not keep the orientation it is given: turn and mirror to fit (Procrustes)
        left, _, right = np.linalg.svd(places.T @ start)
        places = places @ (left @ right)
    scaled: NDArray[np.float64] = places / np.linalg.norm(places, axis=1).max()
    return scaled
