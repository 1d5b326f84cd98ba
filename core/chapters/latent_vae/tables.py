"""The tables of the per-image latents' evaluation; values in nats."""

from core.families.log_probs.tables import IMAGES, LATER, SLACK_SETS
from core.runs.tables import INDEX, LABEL, Table, declared, number, whole, words

_GAPS = ("log_prob", "elbo", "elbo_refined", "approximation", "amortisation")
_SET = words(*SLACK_SETS, every=True)

TABLES = declared(
    [
        Table("images", IMAGES, LATER),
        Table("images_amortised", IMAGES, LATER),
        Table("slack", {"set": _SET, "index": INDEX, "label": LABEL, **dict.fromkeys(_GAPS, number())}),
        Table(
            "slack_summary",
            {
                "set": _SET,
                "images": whole(1),
                **{key: column for name in _GAPS for key, column in ((name, number()), (f"{name}_error", number(0)))},
                "slack": number(),
            },
        ),
        Table(
            "comparison",
            {
                "model": words("latent", "amortised", every=True),
                "images": whole(1),
                **dict.fromkeys(("elbo", "reconstruction", "kl", "log_prob", "slack"), number()),
                **dict.fromkeys(("log_prob_error", "slack_error", "effective_samples"), number(0)),
            },
        ),
    ]
)
