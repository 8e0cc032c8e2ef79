"""Writes irt-girth.json: the same answers fitted by girth, an IRT package of its own, which test/method/irt.test.ts compares with.

girth's 2PL by marginal maximum likelihood has no priors and its own quadrature, so estimates agree where the data decide, and only there.

Run by hand when a case is added:  pip install girth==0.8.0 numpy==2.4.6 scipy==1.17.1 && python test/golden/irt_girth.py
"""

import json
from pathlib import Path

import numpy as np
from girth import ability_eap, twopl_mml

rng = np.random.default_rng(23)


def simulate(respondents, items):
    ability = rng.normal(size=respondents)
    slope = np.exp(0.4 * rng.normal(size=items))
    difficulty = rng.normal(size=items)
    p = 1 / (1 + np.exp(-slope * (ability[:, None] - difficulty)))
    return slope, difficulty, (rng.random((respondents, items)) < p).astype(int)


cases = []
for respondents, items in [(1000, 20), (400, 30)]:
    slope, difficulty, matrix = simulate(respondents, items)
    # girth takes items x respondents.
    fit = twopl_mml(matrix.T, options={"quadrature_n": 61})
    ability = ability_eap(matrix.T, fit["Difficulty"], fit["Discrimination"])
    cases.append(
        {
            "matrix": ["".join(map(str, row)) for row in matrix.tolist()],
            "simulated": {"discrimination": slope.tolist(), "difficulty": difficulty.tolist()},
            "discrimination": fit["Discrimination"].tolist(),
            "difficulty": fit["Difficulty"].tolist(),
            "ability": ability.tolist(),
        }
    )


def rounded(value):
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return round(value, 6) if isinstance(value, float) else value


golden = {"about": "Made by irt_girth.py with girth 0.8.0.", "cases": rounded(cases)}
(Path(__file__).parent / "irt-girth.json").write_text(json.dumps(golden) + "\n")
for case in cases:
    for name in ("discrimination", "difficulty"):
        print(name, np.sqrt(np.mean((np.array(case[name]) - np.array(case["simulated"][name])) ** 2)))
