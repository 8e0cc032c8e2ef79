"""Writes statistics.json and rouge-l.json, the answers that test/method/ compares with.

Run by hand when a case is added:  pip install scipy==1.17.1 statsmodels==0.15.0 rouge-score==0.1.2 && python test/golden/statistics.py
"""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import statsmodels.api as sm
from rouge_score import rouge_scorer
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

here = Path(__file__).parent
rng = np.random.default_rng(7)


def normal(size, places):
    return [float(value) for value in rng.normal(size=size).round(places)]


golden = {"about": "Made by statistics.py with SciPy 1.17.1 and statsmodels 0.15.0."}

golden["sem"] = [
    {"values": values, "stderr": float(stats.sem(values)), "variance": float(np.var(values, ddof=1))}
    for values in ([0, 1, 1, 0, 1], [0.25, 0.5, 0.125, 0.75], [3, 3, 3], normal(12, 3))
]
golden["wilson"] = []
for correct, n, confidence in [
    (0, 10, 0.95),
    (10, 10, 0.95),
    (5, 10, 0.95),
    (3, 40, 0.95),
    (37, 40, 0.9),
    (1234, 6261, 0.95),
    (1, 1, 0.99),
]:
    low, high = proportion_confint(correct, n, alpha=1 - confidence, method="wilson")
    golden["wilson"].append(
        {"correct": correct, "n": n, "confidence": confidence, "low": float(low), "high": float(high)}
    )
golden["normal"] = [
    {"x": x, "cdf": float(stats.norm.cdf(x))} for x in [-6, -3.6, -3.5, -2, -1, -0.3, 0, 0.5, 1.96, 3, 3.54, 5]
]
golden["normalQuantile"] = [
    {"p": p, "x": float(stats.norm.ppf(p))} for p in [1e-9, 0.001, 0.02, 0.0243, 0.3, 0.5, 0.7, 0.975, 0.995, 0.99999]
]
golden["quantile"] = [
    {"values": values, "share": share, "value": float(np.quantile(values, share))}
    for values in ([1, 2, 3, 4], [5.5], [3, 1, 2], normal(11, 3))
    for share in (0, 0.025, 0.25, 0.5, 0.9, 1)
]
golden["mcnemar"] = [
    {"mine": mine, "theirs": theirs, "p": float(stats.binomtest(min(mine, theirs), mine + theirs, 0.5).pvalue)}
    for mine, theirs in [
        (3, 0),
        (5, 0),
        (6, 0),
        (10, 2),
        (7, 7),
        (8, 7),
        (40, 25),
        (300, 240),
        (900, 800),
        (1500, 1300),
        (2100, 2099),
    ]
]
golden["holm"] = [
    {"p": p, "adjusted": [float(value) for value in multipletests(p, method="holm")[1]]}
    for p in ([0.01, 0.04, 0.03, 0.005], [0.2, 0.2], [0.5], [0.9, 0.001, 0.8, 0.02, 0.02])
]
golden["pearson"] = [
    {"one": one, "other": other, "r": float(np.corrcoef(one, other)[0, 1])}
    for one, other in [([1, 2, 3, 4], [2, 1, 4, 3]), (normal(20, 2), normal(20, 2))]
]

theirs = rng.integers(0, 2, 120).tolist()
mine = [max(right, int(rng.random() < 0.3)) if rng.random() < 0.8 else 1 - right for right in theirs]
difference = np.array(mine) - np.array(theirs)
interval = stats.bootstrap(
    (difference.astype(float),), np.mean, n_resamples=200_000, method="percentile", batch=2_000, random_state=1
).confidence_interval
golden["bootstrap"] = {
    "mine": "".join(map(str, mine)),
    "theirs": "".join(map(str, theirs)),
    "difference": float(difference.mean()),
    "low": float(interval.low),
    "high": float(interval.high),
}

# Split-half reliability over every way to halve eight items, drafts that answer by a one-parameter model.
ability, difficulty = rng.normal(size=60), rng.normal(size=8)
matrix = (rng.random((60, 8)) < 1 / (1 + np.exp(-1.7 * (ability[:, None] - difficulty[None])))).astype(int)
halves = []
for half in itertools.combinations(range(8), 4):
    rest = [item for item in range(8) if item not in half]
    halves.append(np.corrcoef(matrix[:, half].mean(1), matrix[:, rest].mean(1))[0, 1])
r = float(np.mean(halves))
golden["reliability"] = {"matrix": ["".join(map(str, row)) for row in matrix.tolist()], "value": 2 * r / (1 + r)}

# A report's column: arms of two shot counts against one baseline each, exact McNemar, Holm over the whole column.
truth = {
    shots: {
        "untuned": 0.2,
        "original_teacher": 0.45 + shots / 30,
        "random_rationale": 0.45,
        "most_preferred": 0.5,
        "task_consistent": 0.6,
        "arte": 0.72,
    }
    for shots in (0, 3)
}
answers = {
    shots: {arm: (rng.random(80) < share).astype(int).tolist() for arm, share in shares.items()}
    for shots, shares in truth.items()
}
golden["family"] = {
    "answers": {str(shots): {arm: "".join(map(str, row)) for arm, row in arms.items()} for shots, arms in answers.items()},
    "adjusted": {},
}
for against in ("untuned", "original_teacher"):
    members = [(shots, arm) for shots in answers for arm in answers[shots] if arm not in ("untuned", against)]
    p_values = []
    for shots, arm in members:
        one, other = np.array(answers[shots][arm]), np.array(answers[shots][against])
        cells = [[np.sum(one & other), np.sum(one & (1 - other))], [np.sum((1 - one) & other), np.sum((1 - one) & (1 - other))]]
        p_values.append(mcnemar(np.array(cells), exact=True).pvalue)
    adjusted = multipletests(p_values, method="holm")[1]
    golden["family"]["adjusted"][against] = {
        f"{arm} {shots}": float(p) for (shots, arm), p in zip(members, adjusted, strict=True)
    }

# Three students on the same items: the error of the share, clustered by item; and the sign-flip test of whole differences.
rights = rng.binomial(3, rng.beta(1, 1, 40)).tolist()
rows = [(item, int(student < right)) for item, right in enumerate(rights) for student in range(3)]
groups, scores = (np.array(column) for column in zip(*rows, strict=True))
clustered = sm.OLS(scores.astype(float), np.ones(len(rows))).fit(cov_type="cluster", cov_kwds={"groups": groups})
golden["clustered"] = {"rights": rights, "students": 3, "share": float(scores.mean()), "stderr": float(clustered.bse[0])}
golden["signFlip"] = []
for _ in range(6):
    values = rng.integers(-3, 4, 11).tolist()
    test = stats.permutation_test((np.array(values),), np.sum, permutation_type="samples", n_resamples=np.inf)
    golden["signFlip"].append({"differences": values, "p": float(test.pvalue)})

(here / "statistics.json").write_text(json.dumps(golden, indent=2) + "\n")

scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
texts = [
    "Which number is larger, 58 or 85?",
    "Which number is larger, 85 or 58?",
    "How many items are in this list: pen, cup, rope?",
    "How many items are in this list: pen, cup?",
    "What is 3 + 4?",
    "What is 3 - 4?",
    "not ( True ) and ( True ) is",
    "True and not not ( not False ) is",
    "",
    "...!?",
    "Sort the following words alphabetically: List: storm apple river",
    "Today is March 14, 2021. What is the date 10 days from today in MM/DD/YYYY?",
    "Don't take one step left; take 12 steps right.",
    "police killed the gunman",
    "police kill the gunman",
    "the gunman kill police",
]
chance = random.Random(3)
texts += [" ".join(chance.choice("a b c d e f g the of to in is".split()) for _ in range(n)) for n in (5, 9, 17, 40, 80)]
pairs = [
    [one, other, scorer.score(texts[one], texts[other])["rougeL"].fmeasure]
    for one in range(len(texts))
    for other in range(one, len(texts))
]
rouge = {"about": "Made by statistics.py with rouge-score 0.1.2: [text, text, F].", "texts": texts, "pairs": pairs}
(here / "rouge-l.json").write_text(json.dumps(rouge) + "\n")
