"""Writes gates.json, the answers that test/method/gates.test.ts and demonstrations.test.ts compare with.

Run by hand when a case is added:  pip install scipy==1.17.1 statsmodels==0.15.0 && python test/golden/gates.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

here = Path(__file__).parent
rng = np.random.default_rng(16)

golden = {"about": "Made by gates.py with SciPy 1.17.1 and statsmodels 0.15.0."}

# How often a test must be lengthened: the reliability of a test of k times the length, k r / (1 + (k - 1) r), solved for k by bisection.
golden["prophecy"] = []
for items, r, wanted in [(40, 0.3, 0.7), (40, 0.55, 0.8), (8, 0.1, 0.5), (100, 0.9, 0.7), (25, 0.5, 0.95)]:
    factor = brentq(lambda k, r=r, wanted=wanted: k * r / (1 + (k - 1) * r) - wanted, 1e-6, 1e6)
    golden["prophecy"].append({"items": items, "reliability": r, "wanted": wanted, "needed": float(items * factor)})

# Two groups of demonstrations, so many of 20 items right after each: the difference of means with its normal interval, variances apart.
golden["gain"] = []
for n, m, p, q in [(8, 8, 0.6, 0.3), (12, 5, 0.5, 0.5), (30, 30, 0.2, 0.8)]:
    mine, theirs = rng.binomial(20, p, n), rng.binomial(20, q, m)
    compared = CompareMeans(DescrStatsW(mine / 20), DescrStatsW(theirs / 20))
    low, high = compared.zconfint_diff(alpha=0.05, usevar="unequal")
    golden["gain"].append(
        {
            "examples": mine.tolist(),
            "drafts": theirs.tolist(),
            "items": 20,
            "difference": float(mine.mean() / 20 - theirs.mean() / 20),
            "low": float(low),
            "high": float(high),
        }
    )

# Agreement of the preference set with all validation items: questions x drafts x items, right with one chance a draft. The first `probes` items are the
# preference set. Its pick (the first of equals) agrees when nothing is better, or worse, on all items.
golden["agreement"] = []
matrices = np.random.default_rng(17)
for questions, drafts, items, probes in [(12, 4, 100, 40), (10, 4, 30, 6), (8, 3, 9, 3)]:
    right = matrices.random((questions, drafts, items)) < matrices.beta(2, 2, (questions, drafts, 1))
    by_probes, by_all = right[:, :, :probes].mean(axis=2), right.mean(axis=2)
    each = np.arange(questions)
    golden["agreement"].append(
        {
            "probes": right[:, :, :probes].sum(axis=2).tolist(),
            "others": right[:, :, probes:].sum(axis=2).tolist(),
            "items": [probes, items - probes],
            "best": float((by_all[each, by_probes.argmax(axis=1)] == by_all.max(axis=1)).mean()),
            "worst": float((by_all[each, by_probes.argmin(axis=1)] == by_all.min(axis=1)).mean()),
        }
    )

(here / "gates.json").write_text(json.dumps(golden, indent=2) + "\n")
