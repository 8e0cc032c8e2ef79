"""Goal: what score.py says of a text is what one plain forward pass says, whatever the batch and whatever was computed before.
Method: the real script over HTTP on a random model of two layers, rows that share a long beginning and rows that do not; the reference is
transformers' own forward pass of each row alone, without a cache."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCORE = Path(__file__).resolve().parent.parent / "score.py"
KEY = "test"
NUMBERS = ["zero", "one", "two", "three", "four", "five"]
# Longer than what is worth sharing.
OPENING = "add two numbers . first we need to count on from one . what is two plus three ? the answer is <ans> five </ans>"


def start(model: Path, batch_rows: int = 8, device: str = "cpu") -> tuple[subprocess.Popen, str]:
    process = subprocess.Popen(
        [sys.executable, str(SCORE), "--model", str(model), "--dtype", "float32", "--batch-rows", str(batch_rows), "--device", device],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ARTE_SERVE_API_KEY": KEY, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    ready = json.loads(process.stdout.readline())
    assert ready["event"] == "ready", ready
    return process, f"http://127.0.0.1:{ready['port']}"


@pytest.fixture(scope="module")
def scorer(tiny_model):
    process, address = start(tiny_model)
    yield address
    process.stdin.close()  # and with it the child's life
    process.wait(10)
    process.stdout.close()


def ask(address: str, body: dict, key: str = KEY) -> dict:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/score", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def completion(text: str, given: str, lead: str = "") -> dict:
    return {"prompt": {"kind": "completion", "text": text}, "given": {"lead": lead, "text": given}}


def reference(model, before: list[int], whole: list[int]) -> list[tuple[float, int]]:
    """Log-probability and rank of every token of `whole` behind `before`, from one forward pass of this row alone."""
    import torch

    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([whole]), use_cache=False).logits[0].double()
    logprobs = torch.log_softmax(logits, dim=-1)
    return [
        (logprobs[at - 1, whole[at]].item(), 1 + int((logits[at - 1] > logits[at - 1, whole[at]]).sum()))
        for at in range(len(before), len(whole))
    ]


@pytest.fixture(scope="module")
def loaded(tiny_model):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(tiny_model).eval(), AutoTokenizer.from_pretrained(tiny_model)


def test_rows_asked_together_are_as_probable_as_alone(scorer, loaded):
    model, tokenizer = loaded
    alike = [(f"{OPENING} what is {one} plus {other} ?", f" the answer is {one} .") for one in NUMBERS for other in NUMBERS[:4]]
    unlike = [("what is one ?", " one"), ("count on", " from zero to five and two and three"), ("the answer", " .")]
    rows = [each for pair in zip(alike, unlike * 8, strict=True) for each in pair]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda row: ask(scorer, completion(*row)), rows))
    for (prompt, given), answer in zip(rows, answers, strict=True):
        wanted = reference(model, tokenizer(prompt)["input_ids"], tokenizer(prompt + given)["input_ids"])
        assert [rank for _, rank in answer["tokens"]] == [rank for _, rank in wanted]
        assert [value for value, _ in answer["tokens"]] == pytest.approx([value for value, _ in wanted], abs=1e-4)
        assert answer["usage"]["prompt_tokens"] == len(tokenizer(prompt + given)["input_ids"])


def test_rows_of_one_batch_share_the_beginning(tiny_model):
    """Which rows meet in a batch is a matter of when they arrive; what a batch shares is not. So here the batch is given."""
    sys.path.insert(0, str(SCORE.parent))
    from score import Scorer

    scorer = Scorer(str(tiny_model), "float32", "cpu")
    bodies = [completion(f"{OPENING} what is {one} plus two ?", f" the answer is {one} .") for one in NUMBERS]
    rows = [scorer.row(each["prompt"], each["given"]) for each in bodies]
    scorer.score(rows)
    cached = [row.answer["usage"]["prompt_tokens_details"]["cached_tokens"] for row in rows]
    assert cached[0] == 0
    assert min(cached[1:]) == max(cached[1:]) >= 16
    again = [scorer.row(each["prompt"], each["given"]) for each in bodies[:1]]
    scorer.score(again)
    assert again[0].answer["usage"]["prompt_tokens_details"]["cached_tokens"] >= 16


def test_a_chat_is_put_through_its_template_and_a_lead_is_not_scored(scorer, loaded):
    model, tokenizer = loaded
    messages = [{"role": "user", "content": "what is one plus two ?"}]
    body = {"prompt": {"kind": "chat", "messages": messages}, "given": {"lead": "<ans> ", "text": "three </ans>"}}
    before = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    wanted = reference(
        model,
        tokenizer(f"{before}<ans>", add_special_tokens=False)["input_ids"],
        tokenizer(f"{before}<ans> three </ans>", add_special_tokens=False)["input_ids"],
    )
    answer = ask(scorer, body)
    assert len(answer["tokens"]) == 2
    assert [value for value, _ in answer["tokens"]] == pytest.approx([value for value, _ in wanted], abs=1e-4)


@pytest.mark.parametrize(
    ("body", "key", "status", "code"),
    [
        (completion("one", " two"), "guessed", 401, "unauthorized"),
        (completion("one", ""), KEY, 400, "nothing_to_score"),
        (completion("one " * 250, " two" * 20), KEY, 400, "context_length_exceeded"),
        ({"prompt": {}}, KEY, 400, "bad_request"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(scorer, body, key, status, code):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(scorer, body, key)
    assert refused.value.code == status
    assert json.load(refused.value)["error"]["code"] == code
