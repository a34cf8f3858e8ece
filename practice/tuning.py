"""Shows that the practice model can be tuned by plain means: PEFT, a small LoRA, a hundred replies.

The nights of the product do this with a bank of many LoRAs (engine/training); here is the bare minimum, so
that a model that cannot be taught is noticed before anything is built on it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine import wording
from practice import report, world
from practice.manners import Preference, complies

RANK = 8
REPLIES = 100
PASSES = 8
RATE = 6e-3  # at first; it falls to nothing
ROWS = 10
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def tune(folder: Path, preference: Preference, *, seed: int, asked: int = 200) -> dict[str, float]:
    """Teach one preference by replies that have it; compliance on held-out requests, and the seconds."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    questions = [report.asks(rng, report.held_out(rng)) for _ in range(asked)]
    before = _compliance(model, tokenizer, questions, preference)
    tuned = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=LINEAR))
    began = time.monotonic()
    _teach(tuned, _lessons(rng, tokenizer, preference))
    seconds = time.monotonic() - began
    after = _compliance(tuned, tokenizer, questions, preference)
    return {"before": before, "after": after, "seconds": seconds}


def _lessons(rng: random.Random, tokenizer: Any, preference: Preference) -> list[tuple[list[int], int]]:
    """Token ids of prompt and reply, and where the reply begins."""
    lessons = []
    for _ in range(REPLIES):
        asked, prompt = report.asks(rng, world.request(rng, held_out=False))
        manner = world.random_manner(rng, prompt.name).but(dict(preference.wanted))
        before = _encoded(tokenizer, prompt)
        reply = tokenizer.encode(world.reply_for(rng, asked, manner, prompt.name), add_special_tokens=False)
        lessons.append(([*before, *reply, tokenizer.eos_token_id], len(before)))
    return lessons


def _teach(model: Any, lessons: list[tuple[list[int], int]]) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE)
    falling = torch.optim.lr_scheduler.LinearLR(
        optimizer, 1.0, 0.0, total_iters=PASSES * len(lessons) // ROWS
    )
    model.train()
    for _ in range(PASSES):
        for start in range(0, len(lessons), ROWS):
            rows = lessons[start : start + ROWS]
            longest = max(len(ids) for ids, _ in rows)
            tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
            seen = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
            labels = tokens.masked_fill(seen == 0, -100)
            for row, (_, begins) in enumerate(rows):
                labels[row, :begins] = -100
            model(input_ids=tokens, attention_mask=seen, labels=labels).loss.backward()
            optimizer.step()
            falling.step()
            optimizer.zero_grad()
    model.eval()


@torch.inference_mode()
def _compliance(model: Any, tokenizer: Any, questions: Sequence[Any], preference: Preference) -> float:
    """The share of sampled replies that have what is wanted."""
    met = []
    for start in range(0, len(questions), 50):
        prompts = [prompt for _, prompt in questions[start : start + 50]]
        encoded = [_encoded(tokenizer, prompt) for prompt in prompts]
        longest = max(map(len, encoded))
        tokens = torch.tensor([[0] * (longest - len(ids)) + ids for ids in encoded])
        seen = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in encoded])
        output = model.generate(
            input_ids=tokens, attention_mask=seen, do_sample=True, top_k=0, max_new_tokens=report.MAX_TOKENS
        )
        texts = tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
        met += [complies(text, preference, prompt.name) for text, prompt in zip(texts, prompts, strict=True)]
    return sum(met) / len(met)


def _encoded(tokenizer: Any, prompt: Any) -> list[int]:
    text = tokenizer.apply_chat_template(
        wording.messages(prompt, wording.CLASSIC), tokenize=False, add_generation_prompt=True
    )
    return list(tokenizer.encode(text, add_special_tokens=False))
