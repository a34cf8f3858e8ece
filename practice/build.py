"""Trains the practice model from nothing: `python -m practice.build`.

First on the corpus, then on its own replies as well. Writes a checkpoint every minute and goes on from it
after a kill. The learning rate stays constant until the last third, so a run may be lengthened or shortened
on the way by another `--tokens`. What is exported is the average of the last weights. Uses an accelerator
where there is one.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import GenerationConfig, LlamaConfig, PreTrainedTokenizerFast

from practice import WEIGHTS, corpus, rehearsal, tokenizer
from practice.gradients import Part, device_of_training, gradients
from practice.llama import Llama
from practice.mix import CORE, FULL
from practice.muon import Muon
from practice.rows import (
    Batch,
    Encoder,
    Row,
    batches,
)

COURSE = "training.json"  # how long the written model was trained
MODEL_CARD = Path(__file__).parent / "model-card.md"
STEP_TOKENS = 4096
REHEARSAL_RATE = 0.2  # of the full learning rate
REHEARSAL_DECAYED_SHARE = 0.62
WARMUP_STEPS = 50
DECAYED_SHARE = 0.3
SHORT_UNTIL, WHOLE_FROM = 13_000_000, 17_000_000  # tokens: documents are short before, of every kind after
SHOW_EVERY_S, SAVE_EVERY_S = 20.0, 60.0
POOL = 192  # documents drawn together; a run that resumes goes on with the next pool


@dataclass(slots=True, kw_only=True)
class Run:
    """All that a training run is at one moment."""

    model: Llama
    average: dict[str, Tensor]
    optimizers: tuple[torch.optim.Optimizer, ...]
    steps: int = 0
    tokens: int = 0
    documents: int = 0
    pools: int = 0
    seconds: float = 0.0
    rehearsed: int = 0  # steps
    recent: dict[str, float] = field(default_factory=dict)


def main(
    tokens: Annotated[int, typer.Option(help="How many tokens to train on.")] = 20_000_000,
    rehearsals: Annotated[
        int, typer.Option(help="How many steps to train on its own replies after that.")
    ] = 800,
    seed: Annotated[int, typer.Option(help="The seed of weights and corpus.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where tokenizer and checkpoint lie.")] = Path(
        "build/practice"
    ),
    weights: Annotated[Path, typer.Option(help="Where the model is written.")] = WEIGHTS,
    onward: Annotated[
        bool, typer.Option(help="Go on from the weights that are there, where there is no checkpoint.")
    ] = False,
    export_only: Annotated[bool, typer.Option(help="Write the model of the checkpoint and stop.")] = False,
    cores: Annotated[int, typer.Option(help="Cores to use; 1 on an accelerator.")] = 2,
) -> None:
    """Train the practice model and write it."""
    folder.mkdir(parents=True, exist_ok=True)
    run = start(seed)
    if (folder / "checkpoint.pt").exists():
        resume(run, folder / "checkpoint.pt")
    elif onward:
        go_on(run, weights, folder)
    words = load_tokenizer(folder, seed)
    if not export_only:
        if run.tokens < tokens:
            train(run, words, tokens, seed, folder / "checkpoint.pt", cores)
        rehearse(run, words, rehearsals, seed, folder / "checkpoint.pt", cores)
    export(run, words, weights)
    typer.echo(
        f"Wrote {weights} after {run.tokens:,} tokens, {run.documents:,} documents, {run.seconds:.0f} s."
    )


def architecture() -> LlamaConfig:
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=tokenizer.VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=tokenizer.CONTEXT,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
        dtype="bfloat16",
    )


def load_tokenizer(folder: Path, seed: int) -> PreTrainedTokenizerFast:
    """The run's tokenizer, trained at its first start."""
    if not (folder / "tokenizer" / "tokenizer.json").exists():
        tokenizer.train(seed).save_pretrained(folder / "tokenizer")
    loaded = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    assert isinstance(loaded, PreTrainedTokenizerFast)
    return loaded


# --- training ---


def start(seed: int) -> Run:
    torch.manual_seed(seed)
    model = Llama(architecture()).to(device_of_training())
    matrices = [value for value in model.layers.parameters() if value.dim() == 2]
    others = [value for value in model.parameters() if not any(value is matrix for matrix in matrices)]
    optimizers = (
        *(
            Muon(half, lr=2e-3, weight_decay=0.02) for half in (matrices[0::2], matrices[1::2])
        ),  # side by side
        torch.optim.AdamW(others, lr=1.2e-3, betas=(0.9, 0.98), weight_decay=0.0),
    )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["full_lr"] = group["lr"]
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return Run(model=model, average=average, optimizers=optimizers)


def train(
    run: Run,
    words: PreTrainedTokenizerFast,
    tokens: int,
    seed: int,
    checkpoint: Path,
    cores: int,
) -> None:
    """Every step takes one batch for each core. A core works on its own batch with a single thread: threads
    that share one operation would wait for each other whenever something else wants the machine."""
    torch.set_num_threads(1)
    source = batches(
        _rows(run, Encoder(words), seed), STEP_TOKENS // cores, random.Random(seed + run.pools), POOL
    )
    log = _Log(run, checkpoint)

    def read() -> list[Batch]:
        return [next(source) for _ in range(cores)]

    with _cores(cores) as pool, ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read)
        while run.tokens < tokens:
            step_batches = coming.result()
            coming = reader.submit(read)
            _step(run, step_batches, _rate(run, tokens), pool)
            log.step_done(lambda: _show(run, tokens))
    run.rehearsed = 0  # new corpus blurs what was rehearsed before
    save(run, checkpoint)


def rehearse(
    run: Run, words: PreTrainedTokenizerFast, steps: int, seed: int, checkpoint: Path, cores: int
) -> None:
    """Every core answers in a process of its own, since Python would make threads wait for each other; they
    all read the weights that are learned here."""
    run.model.share_memory()
    log = _Log(run, checkpoint)
    with ExitStack() as stack, _cores(cores) as pool:
        workers = [
            stack.enter_context(
                ProcessPoolExecutor(
                    1,
                    mp_context=get_context("spawn"),
                    initializer=rehearsal.begin,
                    initargs=(run.model, words, f"{seed}/{run.steps}/{core}", STEP_TOKENS // cores),
                )
            )
            for core in range(cores)
        ]
        while run.rehearsed < steps:
            parts = [future.result() for future in [worker.submit(rehearsal.step) for worker in workers]]
            left = 1.0 - run.rehearsed / steps
            _learn(run, parts, REHEARSAL_RATE * min(1.0, max(left / REHEARSAL_DECAYED_SHARE, 0.03)), pool)
            run.rehearsed += 1
            log.step_done(lambda: _show_rehearsal(run, steps))
    save(run, checkpoint)


def _cores(count: int) -> ThreadPoolExecutor:
    """A thread for each core. Numbers too small to be normal ones are zero there: they are slow."""
    return ThreadPoolExecutor(count, initializer=torch.set_flush_denormal, initargs=(True,))


def _rows(run: Run, encoder: Encoder, seed: int) -> Iterator[Row]:
    """Rows pool by pool, each pool from a seed of its own."""
    while True:
        run.pools += 1
        rng = random.Random(f"{seed}/{run.pools}")
        done = (run.tokens - SHORT_UNTIL) / (WHOLE_FROM - SHORT_UNTIL)
        mix = CORE.towards(FULL, min(max(done, 0.0), 1.0))
        for _ in range(POOL):
            run.documents += 1
            yield encoder.row(corpus.document(rng, mix), rng)


def _rate(run: Run, tokens: int) -> float:
    """The share of the full learning rate for this step."""
    left = 1.0 - run.tokens / tokens
    return min((run.steps + 1) / WARMUP_STEPS, max(left / DECAYED_SHARE, 0.02), 1.0)


def _step(run: Run, step_batches: list[Batch], rate: float, pool: Executor) -> None:
    parts = list(pool.map(lambda batch: gradients(run.model, batch), step_batches))
    _learn(run, parts, rate, pool)
    run.tokens += sum(batch.real_tokens for batch in step_batches)


def _learn(run: Run, parts: Sequence[Part], rate: float, pool: Executor) -> None:
    total = sum(part.weight for part in parts)
    for parameter, *slopes in zip(run.model.parameters(), *(part.gradients for part in parts), strict=True):
        parameter.grad = torch.stack(slopes).sum(0) / total
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["full_lr"] * rate
    list(pool.map(lambda optimizer: optimizer.step(), run.optimizers))
    run.steps += 1
    for part in parts:
        for name, value in part.seen.items():
            run.recent[name] = value + 0.97 * (run.recent.get(name, value) - value)
    kept = min(0.99, (1 + run.steps) / (10 + run.steps))
    for name, value in run.model.state_dict().items():
        run.average[name].lerp_(value, 1 - kept)


class _Log:
    """Counts the seconds of a run; now and then shows how far it is, and saves it."""

    def __init__(self, run: Run, checkpoint: Path) -> None:
        self._run, self._checkpoint = run, checkpoint
        self._shown = self._saved = time.monotonic()
        self._began = self._shown - run.seconds  # as if it had never been cut short

    def step_done(self, show: Callable[[], None]) -> None:
        now = time.monotonic()
        self._run.seconds = now - self._began
        if now - self._shown > SHOW_EVERY_S:
            self._shown = now
            show()
        if now - self._saved > SAVE_EVERY_S:
            self._saved = now
            save(self._run, self._checkpoint)


def _show(run: Run, tokens: int) -> None:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in run.recent.items())
    pace = run.tokens / max(run.seconds, 1.0)
    typer.echo(f"{run.tokens:>12,} of {tokens:,} tokens ({pace:.0f} a second), step {run.steps}: {figures}")


def _show_rehearsal(run: Run, steps: int) -> None:
    shown = [name for name in ("sound", "wishes met", "judge right") if name in run.recent]
    figures = ", ".join(f"{name} {run.recent[name]:.3f}" for name in shown)
    typer.echo(f"Rehearsal {run.rehearsed:>5} of {steps} ({run.seconds:.0f} s in all): {figures}")


# --- keeping and writing ---


def save(run: Run, path: Path) -> None:
    """The whole run into one file, which is never half-written."""
    state = {
        "model": run.model.state_dict(),
        "average": run.average,
        "optimizers": [optimizer.state_dict() for optimizer in run.optimizers],
        **_counters(run),
    }
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def resume(run: Run, path: Path) -> None:
    state = torch.load(path, weights_only=True, map_location=device_of_training())
    run.model.load_state_dict(state["model"])
    run.average = state["average"]
    for optimizer, kept in zip(run.optimizers, state["optimizers"], strict=True):
        rates = [group["full_lr"] for group in optimizer.param_groups]  # the code's, not the file's
        optimizer.load_state_dict(kept)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["full_lr"] = rate
    _count_on(run, state)


def go_on(run: Run, weights: Path, folder: Path) -> None:
    """Take up a model that was written, with its tokenizer; the optimizers begin anew."""
    tensors = load_file(weights / "model.safetensors")
    run.average = {
        name.removeprefix("model."): value.float().to(device_of_training()) for name, value in tensors.items()
    }
    run.model.load_state_dict(run.average)
    (folder / "tokenizer").mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(weights / name, folder / "tokenizer" / name)
    _count_on(run, json.loads((weights / COURSE).read_text("utf-8")))


_COUNTERS = ("steps", "tokens", "documents", "pools", "rehearsed", "seconds")


def _counters(run: Run) -> dict[str, float]:
    return {name: getattr(run, name) for name in _COUNTERS}


def _count_on(run: Run, counters: Mapping[str, Any]) -> None:  # Any: a checkpoint holds more than numbers
    for name in _COUNTERS:
        setattr(run, name, counters.get(name, 0))


def export(run: Run, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """The averaged model as a folder that vLLM, transformers and PEFT load."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value.bfloat16().contiguous().cpu() for name, value in run.average.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    architecture().save_pretrained(folder)
    GenerationConfig(eos_token_id=1, pad_token_id=0, do_sample=True).save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / COURSE).write_text(json.dumps(_counters(run), indent=2) + "\n", "utf-8")
    if MODEL_CARD.exists():
        shutil.copyfile(MODEL_CARD, folder / "README.md")


if __name__ == "__main__":
    typer.run(main)
