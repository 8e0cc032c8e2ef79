"""Writes answers-lm-eval.json: what lm-evaluation-harness itself reads in our outputs and how it scores them; test/method/answers.test.ts compares.

The texts are ours: SmolLM2-135M's answers to items of the built-in families (lm-eval-outputs.json) and hand-made edge cases
(lm-eval-cases.json). The rules are the installed package's: its task files, its filters, its metric.

Run by hand when a text is added, in an environment of its own (-P: statistics.py beside it is not the standard one):
pip install lm-eval==0.4.13 && python -P test/golden/judge_with_lm_eval.py
"""

import json
from functools import partial
from importlib.metadata import version
from pathlib import Path

import lm_eval
import lm_eval.filters  # registers them
from lm_eval.api.filter import FilterEnsemble
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.api.registry import get_filter
from lm_eval.tasks._yaml_loader import load_yaml

assert version("lm-eval") == "0.4.13"
here = Path(__file__).parent
tasks_dir = Path(lm_eval.__file__).parent / "tasks"
files = {
    "gsm8k": "gsm8k/gsm8k.yaml",
    "gsm8k_cot": "gsm8k/gsm8k-cot.yaml",
    "boolean_expressions": "bbh/cot_zeroshot/boolean_expressions.yaml",
    "navigate": "bbh/cot_zeroshot/navigate.yaml",
    "object_counting": "bbh/cot_zeroshot/object_counting.yaml",
    "date_understanding": "bbh/cot_zeroshot/date_understanding.yaml",
}
configs = {task: load_yaml(tasks_dir / path) for task, path in files.items()}


class OneInstance:
    """The little of an Instance that a filter ensemble reads."""

    def __init__(self, text, doc):
        self.resps, self.doc, self.filtered_resps = [text], doc, {}


def verdict(text, target, question, config, wanted):
    parts = next(one["filter"] for one in config["filter_list"] if one["name"] == wanted)
    components = []
    for part in parts:
        options = {name: value for name, value in part.items() if name != "function"}
        components.append((part["function"], options))
    ensemble = filter_of(components, wanted)
    instance = OneInstance(text, {"input": question or ""})
    ensemble.apply([instance])
    found = instance.filtered_resps[wanted]
    metric = config["metric_list"][0]
    settings = {name: metric[name] for name in ("ignore_case", "ignore_punctuation", "regexes_to_ignore") if name in metric}
    score = exact_match_hf_evaluate([found], [target], **settings)["exact_match"]
    return {"found": None if found == "[invalid]" else found, "correct": bool(score)}


def filter_of(components, name):
    """bbh names filter classes of its own (!function utils.X); the loader has made them classes."""
    made = [partial(get_filter(one) if isinstance(one, str) else one, **options) for one, options in components]
    return FilterEnsemble(name=name, filters=made)


sources = [
    ("hand-made", json.loads((here / "lm-eval-cases.json").read_text())["cases"]),
    ("model", json.loads((here / "lm-eval-outputs.json").read_text())["outputs"]),
]
lines = []
for origin, texts in sources:
    for one in texts:
        config = configs[one["task"]]
        # gsm8k cuts its gold answer at "#### " by regexes_to_ignore; ours is bare already.
        judged = {
            name: verdict(one["text"], one["target"], one.get("question"), config, wanted)
            for name, wanted in (("strict", "strict-match"), ("flexible", "flexible-extract"))
        }
        row = {"origin": origin, **{key: one[key] for key in ("task", "text", "target", "question") if key in one}, **judged}
        lines.append("  " + json.dumps(row, ensure_ascii=False))
about = "Verdicts of lm-evaluation-harness 0.4.13, made by judge_with_lm_eval.py"
(here / "answers-lm-eval.json").write_text('{"about": %s, "cases": [\n%s\n]}\n' % (json.dumps(about), ",\n".join(lines)))
print(len(lines), "cases")
