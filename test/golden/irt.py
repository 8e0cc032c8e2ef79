"""Writes irt.json: the same model fitted by SciPy's general optimiser, which test/method/irt.test.ts compares with.

Run by hand when a case is added:  pip install scipy==1.17.1 && python test/golden/irt.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_expit, logsumexp

rng = np.random.default_rng(11)
nodes = np.linspace(-4, 4, 41)
weights = np.exp(-0.5 * nodes**2)
log_weights = np.log(weights / weights.sum())


def simulate(respondents, items):
    ability = rng.normal(size=respondents)
    slope, difficulty = np.exp(0.4 * rng.normal(size=items)), rng.normal(size=items)
    p = 1 / (1 + np.exp(-slope * (ability[:, None] - difficulty)))
    return (rng.random((respondents, items)) < p).astype(int)


def marginal(parameters, matrix):
    """Log-likelihood with ability integrated out, and the log prior: log a ~ N(0, 0.5), b ~ N(0, 2)."""
    log_a, b = np.split(parameters, 2)
    x = np.exp(log_a)[:, None] * (nodes[None] - b[:, None])
    log_p = matrix @ log_expit(x) + (1 - matrix) @ log_expit(-x)
    log_lik = logsumexp(log_p + log_weights, axis=1).sum()
    return log_lik, -0.5 * ((log_a / 0.5) ** 2 + (b / 2) ** 2).sum()


def joint(parameters, matrix):
    respondents, items = matrix.shape
    ability, log_a, b = np.split(parameters, [respondents, respondents + items])
    x = np.exp(log_a) * (ability[:, None] - b)
    return (matrix * log_expit(x) + (1 - matrix) * log_expit(-x)).sum()


cases = []
for respondents, items in [(4, 8), (20, 12), (60, 10)]:
    matrix = simulate(respondents, items)
    fit = minimize(lambda p: -sum(marginal(p, matrix)), np.zeros(2 * items), method="BFGS", options={"gtol": 1e-7})
    log_a, b = np.split(fit.x, 2)
    case = {
        "matrix": ["".join(map(str, row)) for row in matrix.tolist()],
        "discrimination": np.exp(log_a).tolist(),
        "difficulty": b.tolist(),
        "logLik": marginal(fit.x, matrix)[0],
    }
    if respondents >= 60:
        bounds = [(-5, 5)] * respondents + [(np.log(0.1), np.log(6))] * items + [(-5, 5)] * items
        best = max(
            -minimize(
                lambda p: -joint(p, matrix),
                np.concatenate([rng.normal(size=respondents) * scale, np.zeros(items), rng.normal(size=items) * scale]),
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": 20_000, "maxfun": 2_000_000, "ftol": 1e-13},
            ).fun
            for scale in (0.1, 0.5, 1, 2)
        )
        case["jointLogLik"] = float(best)
    cases.append(case)

golden = {"about": "Made by irt.py with SciPy 1.17.1 (BFGS, L-BFGS-B).", "cases": cases}
(Path(__file__).parent / "irt.json").write_text(json.dumps(golden) + "\n")
print([case.get("jointLogLik") for case in cases])
