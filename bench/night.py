"""`make bench-night`: what a night costs, and what its gate lets through.

`bank`: many people in one bank against one after the other with PEFT, warm, the same lessons and steps;
on a GPU with `--shape 8b` a model of that shape with random weights. `gate`: whole person-nights with
ratings that were shuffled, and candidates that cheat. `people`: a night of a hundred people, by the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.utils import logging

from bench.gate import gate
from bench.record import RESULTS, record
from engine.learning.lessons import Kind, Lesson, Recipe
from engine.loras.format import Factors, LoraWeights
from engine.models.catalogue import PRACTICE
from engine.training import bank, losses
from engine.training.bank import Bank
from engine.training.loop import batches
from engine.training.optimizer import BankOptimizer
from engine.training.step import TrainingStep

WEIGHTS: Final = PRACTICE
SEED: Final = 60_000  # of the gate's people
SHAPES: Final = {
    # That of the practice model.
    "practice": LlamaConfig(
        vocab_size=3072,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        tie_word_embeddings=True,
        max_position_embeddings=2048,
    ),
    # That of Llama 3.1 8B.
    "8b": LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
    ),
}


def lessons_for(people: int, items: int, vocabulary: int, *, seed: int) -> dict[str, list[Lesson]]:
    """Demonstrations with prompts and replies of everyday lengths."""
    source = random.Random(seed)

    def ids(fewest: int, most: int) -> tuple[int, ...]:
        return tuple(source.randrange(8, vocabulary) for _ in range(source.randint(fewest, most)))

    return {
        f"p{number}": [Lesson(kind=Kind.SAY, prefix=ids(15, 40), reply=ids(10, 50)) for _ in range(items)]
        for number in range(people)
    }


def bank_against_one_by_one(
    shape: str, *, people: int, items: int, device: str, batch: int, repeats: int
) -> dict[str, Any]:
    """The seconds of both for the same people, lessons and steps; and how far their LoRAs are apart."""
    torch.manual_seed(0)
    config = SHAPES[shape]
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    with torch.device(device):
        model = LlamaForCausalLM(config).to(dtype).eval()
    work = lessons_for(people, items, config.vocab_size, seed=1)
    recipe = Recipe(model=shape, batch_lessons=batch, passes=2, slots=people, memory_gib=96.0)
    speeds, one_by_one_s, bank_s = [], 0.0, 0.0
    plain = one_by_one(model, recipe, dict(list(work.items())[:2]))  # warm
    for _ in range(repeats):
        began = time.perf_counter()
        plain = one_by_one(model, recipe, work)
        one_by_one_s = time.perf_counter() - began
        shelf, step = wrap(model, recipe)
        in_bank(shelf, step, recipe, dict(list(work.items())[:2]))  # warm
        began = time.perf_counter()
        together = in_bank(shelf, step, recipe, work)
        bank_s = time.perf_counter() - began
        alone = in_bank(shelf, step, recipe, {"p1": work["p1"]})
        unwrap(model)
        speeds.append(one_by_one_s / bank_s)
    return {
        "bank_speedup": round(statistics.median(speeds), 2),
        "bank_max_difference": difference(together["p1"], alone["p1"]),
        "bank_to_peft_max_difference": max(difference(together[key], plain[key]) for key in work),
        "bank_s": round(bank_s, 2),
        "one_by_one_s": round(one_by_one_s, 2),
        "bank_people": people,
        "bank_items": items,
        "bank_batch": batch,
        "bank_shape": shape,
        "bank_device": device,
        "bank_runs": [round(speed, 2) for speed in speeds],
    }


def one_by_one(
    model: PreTrainedModel, recipe: Recipe, work: dict[str, list[Lesson]]
) -> dict[str, LoraWeights]:
    """Plain PEFT with torch's AdamW, a fresh LoRA for each person in turn."""
    made = {}
    for number, (key, lessons) in enumerate(work.items()):
        config = LoraConfig(
            r=recipe.rank, lora_alpha=int(recipe.alpha), target_modules="all-linear", task_type="CAUSAL_LM"
        )
        tuned = get_peft_model(model, config)
        start_as_the_bank(tuned, seed=number)
        made[key] = trained(tuned, recipe, lessons, seed=number)
        tuned.unload()
        # PEFT leaves the base's attributes behind and warns when it is used again.
        if hasattr(model, "peft_config"):
            del model.peft_config
    return made


# Any: PEFT's model, whose types are skipped.
def trained(tuned: Any, recipe: Recipe, lessons: Sequence[Lesson], *, seed: int) -> LoraWeights:
    parts = [part for part in tuned.parameters() if part.requires_grad]
    optimizer = torch.optim.AdamW(parts, lr=3e-3, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.0)
    plan = batches(len(lessons), recipe.batch_lessons, recipe.passes, seed)
    warm = max(1, len(plan) // 10)
    for step, chosen in enumerate(plan):
        down = 1 - 0.9 * (step - warm) / max(1, len(plan) - warm)
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * ((step + 1) / warm if step < warm else down)
        step_on(tuned, [lessons[index] for index in chosen])
        torch.nn.utils.clip_grad_norm_(parts, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    downs: dict[str, torch.Tensor] = {}
    ups: dict[str, torch.Tensor] = {}
    for name, part in tuned.named_parameters():
        if part.requires_grad:
            layer, _, side = name.removeprefix("base_model.model.").partition(".lora_")
            (downs if side.startswith("A") else ups)[layer] = part.detach().float().cpu().clone()
    return {layer: Factors(down, ups[layer]) for layer, down in downs.items()}


def step_on(tuned: Any, lessons: Sequence[Lesson]) -> None:  # Any: as above
    """The usual padded batch with labels; the mean over lessons of the loss per token."""
    device = next(tuned.parameters()).device
    rows = [lesson.prefix + lesson.reply for lesson in lessons]
    longest = max(map(len, rows))
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    wanted = torch.zeros(len(rows), longest - 1)
    for index, (lesson, row) in enumerate(zip(lessons, rows, strict=True)):
        tokens[index, : len(row)] = torch.tensor(row)
        wanted[index, len(lesson.prefix) - 1 : len(row) - 1] = 1 / (len(lesson.reply) * len(lessons))
    tokens, wanted = tokens.to(device), wanted.to(device)
    mask = torch.zeros_like(tokens)
    for index, row in enumerate(rows):
        mask[index, : len(row)] = 1
    logits = tuned(input_ids=tokens, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    log_probs = losses.token_log_probs(logits.flatten(0, 1), tokens[:, 1:].flatten())
    (-log_probs * wanted.flatten()).sum().backward()


def start_as_the_bank(tuned: Any, *, seed: int) -> None:  # Any: as above
    """The same starting point as a slot of the bank has, so that the results can be compared."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, part in tuned.named_parameters():
            if "lora_A" in name:
                bound = part.shape[1] ** -0.5
                part.copy_(torch.empty(part.shape).uniform_(-bound, bound, generator=generator))


def wrap(model: PreTrainedModel, recipe: Recipe) -> tuple[Bank, TrainingStep]:
    wrapped = Bank(model, slots=recipe.slots, rank=recipe.rank, alpha=recipe.alpha)
    return wrapped, TrainingStep(wrapped, recipe)


def unwrap(model: PreTrainedModel) -> None:
    for name, module in list(model.named_modules()):
        if isinstance(module, bank.BankLinear):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.base)
    model.get_output_embeddings()._forward_pre_hooks.clear()


def in_bank(
    shelf: Bank, training_step: TrainingStep, recipe: Recipe, work: dict[str, list[Lesson]]
) -> dict[str, LoraWeights]:
    """The bank's own loop, without its files."""
    optimizer = BankOptimizer(shelf)
    plans = {}
    for slot, (key, lessons) in enumerate(work.items()):
        seed = int(key[1:])
        shelf.start_slot(slot, seed)
        plans[slot] = (lessons, batches(len(lessons), recipe.batch_lessons, recipe.passes, seed))
    steps = max(len(plan) for _, plan in plans.values())
    for step in range(steps):
        now = {
            slot: [lessons[index] for index in plan[step]]
            for slot, (lessons, plan) in plans.items()
            if step < len(plan)
        }
        training_step.backward(now, dict.fromkeys(now, 0.0))
        rates = {}
        for slot in now:
            count = len(plans[slot][1])
            warm = max(1, count // 10)
            down = 1 - 0.9 * (step - warm) / max(1, count - warm)
            rates[slot] = 3e-3 * ((step + 1) / warm if step < warm else down)
        optimizer.step(rates)
    return {key: shelf.copy_slot(slot) for slot, key in enumerate(work)}


def difference(first: LoraWeights, second: LoraWeights) -> float:
    """How far two LoRAs are apart, relative to the second, as the change that they make to the weights."""
    apart = size = 0.0
    for name, factors in first.items():
        mine = factors.up @ factors.down
        theirs = second[name].up @ second[name].down
        apart += float((mine - theirs).square().sum())
        size += float(theirs.square().sum())
    return (apart / max(size, 1e-30)) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="practice")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--part", choices=("all", "bank", "gate"), default="all")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="for the gate")
    parser.add_argument("--night-people", type=int, default=100, help="for the gate: truthful people")
    parser.add_argument("--shuffled", type=int, default=200, help="for the gate: person-nights by chance")
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print, do not record")
    given = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(min(2, torch.get_num_threads()))
    figures: dict[str, Any] = {}
    if given.part != "gate":
        figures |= bank_against_one_by_one(
            given.shape,
            people=given.people,
            items=given.items,
            device=given.device,
            batch=given.batch,
            repeats=given.repeats,
        )
        print(figures, flush=True)
    if given.part != "bank":
        with tempfile.TemporaryDirectory() as folder:
            sizes = {"people": given.night_people, "shuffled": given.shuffled, "seed": SEED}
            figures |= asyncio.run(gate(given.model, Path(folder), **sizes))
    print(figures)
    if not given.dry:
        has_gate = given.part != "bank"  # without it the seed and the number that stand there stay
        seed, n = (SEED, given.night_people) if has_gate else (None, None)
        path = record("night", {**earlier(), **figures}, seed=seed, n=n)
        print(f"written to {path}")


def earlier() -> dict[str, Any]:
    """What other parts of this bench have measured before."""
    path = RESULTS / "night.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


if __name__ == "__main__":
    main()
