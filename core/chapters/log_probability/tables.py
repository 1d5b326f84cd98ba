"""The tables of the log-probability chapter's evaluation; values in nats.

Those of the fine-tuned model have the suffix ``_iwae``.
"""

from core.families.log_probs.tables import IMAGES, LATER, MEASURES
from core.runs.tables import INDEX, LABEL, SHARE, SPLIT, Column, Table, declared, number, whole, words

SPLITS = ("train", "validation", "test")
MODELS = ("", "_iwae")
_ALL_OR_LABEL = Column(int, -1, 9)  # -1 stands for all images
_MEASURES = dict.fromkeys(MEASURES, number(0, missing=True))  # of held-out images alone

_BY_MODEL = {
    **{f"images_{split}": ({**IMAGES, **_MEASURES}, (*MEASURES, *LATER)) for split in SPLITS},
    "digits": (
        {
            "label": LABEL,
            "images": whole(1),
            **dict.fromkeys(("log_prob", "reconstruction", "kl", "slack"), number()),
            **dict.fromkeys(("error", "sd", "standard_error", "effective_samples"), number(0)),
            "split": SPLIT,
            **_MEASURES,
        },
        MEASURES,
    ),
    "histogram": (
        {"label": LABEL, "low": number(), "high": number(), "images": whole(), "share": SHARE, "split": SPLIT},
        (),
    ),
    "tightening": (
        {
            "label": _ALL_OR_LABEL,
            "samples": whole(1),
            "bound": number(),
            "missing": number(),
            "missing_error": number(0),
        },
        (),
    ),
    "ais": (
        {
            "index": INDEX,
            "label": LABEL,
            **dict.fromkeys(("log_prob", "ais_log_prob", "gap"), number()),
            **dict.fromkeys(("standard_error", "ais_standard_error", "effective_chains"), number(0)),
            "acceptance": SHARE,
        },
        (),
    ),
}

TABLES = declared(
    [
        *(
            Table(f"{name}{model}", columns, tuple(optional))
            for model in MODELS
            for name, (columns, optional) in _BY_MODEL.items()
        ),
        Table(
            "correlations",
            {
                "factor": words("ink", "intrinsic dimension", every=True),
                "scope": words("all images", "between digits", "within digits", every=True),
                **dict.fromkeys(("pearson", "low", "high", "spearman"), number(-1, 1, missing=True)),
                "n": whole(),
            },
        ),
        Table(
            "explained",
            {
                "by": words("ink", "intrinsic dimension", "both", "the digit alone", "all three", every=True),
                "share": number(high=1),
            },
        ),
        Table(
            "matched",
            {
                "label": LABEL,
                "raw": number(),
                **dict.fromkeys((f"at_equal_{name}" for name in MEASURES), number(missing=True)),
                **dict.fromkeys((f"share_{name}" for name in MEASURES), SHARE),
            },
        ),
        Table(
            "contributions",
            {"label": LABEL, **dict.fromkeys(("log_prob", "reconstruction", "kl", "slack"), number())},
        ),
        Table(
            "baselines",
            {
                "model": words("ppca", "ppca_all", every=True),
                "latent_dim": whole(1),
                "split": SPLIT,
                "label": _ALL_OR_LABEL,
                "log_prob": number(),
            },
        ),
    ]
)
