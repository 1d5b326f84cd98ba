"""The tables of the 2-D GAN's evaluation."""

from core.runs.tables import SHARE, Table, declared, number, whole

TABLES = declared(
    [
        Table(
            "seeds",
            {
                "seed": whole(),
                "js": number(0, 1),
                "kl": number(0),
                "modes": number(0, missing=True),
                "high_quality": number(0, 1, missing=True),
                "reverse_kl": number(0, missing=True),
                "sigma_ratio": number(0, missing=True),
            },
            optional=("modes", "high_quality", "reverse_kl", "sigma_ratio"),  # of distributions that have modes
        ),
        Table("modes", {"seed": whole(), "mode": whole(0, 1000), "share": SHARE}),
    ]
)
