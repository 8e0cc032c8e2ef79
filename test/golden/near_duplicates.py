"""Writes near-duplicates.json: the pairs that SetSimilaritySearch, an exact set-similarity join, finds; test/method/near-duplicates.test.ts
compares with them. MinHash estimates of datasketch stand beside, to show what an approximate index would have made of the same texts.

Run by hand when a case is added:
pip install SetSimilaritySearch==1.0.1 datasketch==2.0.0 && python test/golden/near_duplicates.py
"""

import json
import random
import re
from pathlib import Path

from datasketch import MinHash, MinHashLSH
from SetSimilaritySearch import all_pairs

rng = random.Random(3)
names = "Ann Ben Carla Dan Eva Finn Gita Hugo".split()
things = "apples pears lamps chairs coins stamps".split()
texts = []
for _ in range(90):
    a, b, c = (rng.randint(2, 40) for _ in range(3))
    name, other, thing = rng.choice(names), rng.choice(names), rng.choice(things)
    texts.append(
        rng.choice(
            [
                f"{name} has {a} {thing} and gives {b} of them to {other}. Then {name} buys {c} more {thing} at the market. "
                f"How many {thing} does {name} have now?",
                f"{name} has {a} {thing} and gives {b} of them to {other}. Then {other} buys {c} more {thing} at the market. "
                f"How many {thing} does {name} have now, in the end?",
                f"What is {a} + {b} - {c}?",
                f"What is {a} + {b} + {c}?",
                f"Which is larger, {a} or {b}?",
            ]
        )
    )
# What a model writes twice: the same with a word changed, a clause added, or other spacing.
for text in rng.sample(texts, 30):
    words = text.split()
    words[rng.randrange(len(words))] = rng.choice(words)
    texts.append(" ".join(words))


def shingles(text, size):
    text = re.sub(r"[\s?.!]+$", "", re.sub(r"\s+", " ", text.lower()).strip())
    words = re.findall(r"""[^\W_]+|[^\s\w.,;:?!'"]|_""", text)
    if len(words) < size:
        return {" ".join(words)}
    return {" ".join(words[at : at + size]) for at in range(len(words) - size + 1)}


cases = []
for size, jaccard in [(3, 0.8), (3, 0.55), (2, 0.7), (5, 0.3)]:
    sets = [shingles(text, size) for text in texts]
    pairs = sorted(sorted((int(x), int(y))) + [float(s)] for x, y, s in all_pairs(sets, "jaccard", jaccard))
    lsh = MinHashLSH(threshold=jaccard, num_perm=128)
    estimated = 0
    for at, runs in enumerate(sets):
        sketch = MinHash(num_perm=128, seed=1)
        sketch.update_batch([run.encode() for run in runs])
        estimated += len(lsh.query(sketch))
        lsh.insert(str(at), sketch)
    cases.append({"shingle": size, "jaccard": jaccard, "pairs": pairs})
    print(f"shingle {size}, jaccard {jaccard}: {len(pairs)} pairs; MinHash LSH says {estimated}")

about = "Made by near_duplicates.py with SetSimilaritySearch 1.0.1."
(Path(__file__).parent / "near-duplicates.json").write_text(
    json.dumps({"about": about, "texts": texts, "cases": cases}) + "\n"
)
