"""Where to say AI: labels and probabilities in, a threshold out.

A threshold is chosen on validation and then used on test as it is. Between two neighbouring scores every threshold
calls the same clips, so a chosen one lies in the middle between them, as far from both as it can.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from core.metrics.operating_points import checked, cuts

Rule = Literal["balanced", "fpr"]


def choose_threshold(labels: ArrayLike, probabilities: ArrayLike, rule: Rule, max_fpr: float = 0.05) -> float:
    """Choose on validation the probability from which a clip is called AI.

    On few clips both rules follow single clips. With fewer than 1 / `max_fpr` human clips, "fpr" tolerates none above
    the threshold; that promises little for new ones (none of 60 accused is still compatible with 5 %).

    Parameters
    ----------
    rule : "balanced": the best mean of both classes' recalls, and of equally good cuts the widest gap;
        "fpr": the smallest threshold that at most `max_fpr` of the human clips reach.
    max_fpr : share in [0, 1]; for "fpr" only.

    Returns
    -------
    threshold : in [0, 1], or `OUT_OF_REACH` where a human clip that must not be accused has a probability of 1.
    """
    every_cut = cuts(*checked(labels, probabilities))
    humans, ais = every_cut.human[0], every_cut.ai[0]
    if rule == "fpr":
        return float(every_cut.thresholds[np.argmax(every_cut.human / humans <= max_fpr)])
    merit = every_cut.ai * humans - every_cut.human * ais  # whole numbers, so that equally good cuts are equal
    return float(every_cut.thresholds[np.argmax(np.where(merit == merit.max(), every_cut.gaps, -1))])


def raised(margins: ArrayLike, max_fpr: float) -> float:
    """Return how far thresholds must rise so that at most `max_fpr` of these human clips still reach theirs.

    Parameters
    ----------
    margins : log-odds of human clips above the threshold of the model that judged each.

    Returns
    -------
    rise : in log-odds, at least 0: a threshold is never lowered.
    """
    levels, counts = np.unique(np.asarray(margins, dtype=np.float64), return_counts=True)
    reaching = counts[::-1].cumsum()[::-1]
    first = int(np.count_nonzero(reaching > max_fpr * counts.sum()))  # of those that may stay above
    if first == len(levels):
        return max(0.0, float(np.nextafter(levels[-1], np.inf)))
    below = levels[first - 1] if first else levels[first]
    return max(0.0, float((below + levels[first]) / 2))
