"""The speed bench: tokens a second of a training step, and what share of the machine that is.

A step of the lift itself is timed on random tokens: what a token is does not change what it costs.
Against the plain loop both take turns in one process over the same segments, and medians are
compared. A machine that others use too stretches both, so CPU seconds are compared as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from lift_app.bench.machine import processor, versions
from lift_app.bench.shapes import make_base
from lift_app.lifting.recipe import Recipe
from lift_app.models.device import choose_device
from lift_app.models.provision import ensure_model
from lift_app.settings import Settings

PREFIX_TOKENS = 35
"""What the framing `excerpt` puts before a segment of the embedded model."""
PLAIN_BATCHES = (1, 2, 4, 8)
"""Batches among which the plain loop finds its fastest."""
LENGTHS = (8_000, 32_000, 100_000, 1_000_000)
"""Tokens of the books whose lift is projected."""


@dataclass(frozen=True)
class Plan:
    """What is timed."""

    recipe: Recipe
    """Its segment length, batch, rank and rate."""
    segments: int = 8
    """Segments in a round; whole steps."""
    rounds: int = 3
    plain: bool = False
    """Whether the plain loop takes turns."""
    shape: str | None = None
    """Random weights of this shape instead of a model."""


def run(settings: Settings, plan: Plan, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time the training step.

    Returns:
        `tokens_per_second` (median over rounds), `tflops` (operations of the frozen products and of
        attention a second, in 1e12), `peak_tflops` (of a large product in the same precision, here
        and now), `share` of it, `peak_memory_gb`, `seconds` (tokens of a book -> one lift of it by
        this recipe), `machine`; with `plan.plain` also `plain` (`tokens_per_second`, `batch`,
        `batches`) and `ratio` (ours by the plain loop's; `cpu_ratio` by CPU seconds).

    Raises:
        LiftError: the model cannot be had.
    """
    import torch

    from lift_app.models.peak import forget_peak, peak_bytes

    host, machine = make_host(settings, plan.shape)
    base = host.base
    recipe = plan.recipe
    torch.manual_seed(0)
    high = base.identity.vocabulary
    prefix = torch.randint(high, (PREFIX_TOKENS,))
    ids = torch.randint(high, (plan.segments, recipe.segment_length))
    progress("timing a large product")
    peak = _peak_tflops(base)
    plain = best = None
    tried: dict[int, float] = {}
    if plan.plain:
        from lift_app.bench.plain_loop import PlainLoop

        plain = PlainLoop(
            model_of(settings, plan.shape), prefix, ids, recipe.rank, recipe.learning_rate
        )
        plain.seconds(1)
        for batch in [b for b in PLAIN_BATCHES if plan.segments % b == 0]:
            progress(f"the plain loop, {batch} segments a step")
            tried[batch] = ids.numel() / min(plain.seconds(batch)[0] for _ in range(2))
        best = max(tried, key=lambda batch: tried[batch])
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    _seconds(host, prefix, ids[: recipe.batch_segments], recipe)
    forget_peak()
    for number in range(plan.rounds):
        progress(f"round {number + 1} of {plan.rounds}")
        ours.append(_seconds(host, prefix, ids, recipe))
        memory = peak_bytes() / 1e9
        if plain is not None and best is not None:
            theirs.append(plain.seconds(best))
    speed = ids.numel() / median(wall for wall, _ in ours)
    tflops = speed * _operations(base, recipe) / 1e12
    result: dict[str, Any] = {
        "suite": "speed",
        "tokens_per_second": round(speed, 1),
        "segment_length": recipe.segment_length,
        "batch": recipe.batch_segments,
        "tflops": float(f"{tflops:.4g}"),
        "peak_tflops": float(f"{peak:.4g}"),
        "share": round(tflops / peak, 3),
        "peak_memory_gb": round(memory, 2),
        "seconds": {str(n): round(recipe.trained_tokens(n) / speed, 1) for n in LENGTHS},
        "machine": machine,
    }
    if theirs and best is not None:
        result["plain"] = {
            "tokens_per_second": round(ids.numel() / median(wall for wall, _ in theirs), 1),
            "batch": best,
            "batches": {str(batch): round(found, 1) for batch, found in tried.items()},
        }
        for name, part in (("ratio", 0), ("cpu_ratio", 1)):
            value = median(t[part] for t in theirs) / median(o[part] for o in ours)
            result[name] = round(value, 3)
    return result


def table(result: Mapping[str, Any]) -> str:
    """The result in a few lines of Markdown."""
    lines = [
        f"{result['tokens_per_second']:,.0f} tokens/s at {result['batch']} x "
        f"{result['segment_length']} tokens a step: {result['tflops']:.3f} TFLOP/s, "
        f"{result['share']:.0%} of the {result['peak_tflops']:.3f} that a large product reaches; "
        f"peak memory {result['peak_memory_gb']:.2f} GB.",
        "",
        "| tokens of the book | seconds of training |",
        "|---|---|",
        *(f"| {int(n):,} | {seconds:,.0f} |" for n, seconds in result["seconds"].items()),
        "",
    ]
    if "plain" in result:
        plain = result["plain"]
        lines += [
            f"The plain loop at its fastest batch of {plain['batch']}: "
            f"{plain['tokens_per_second']:,.0f} tokens/s; ours is {result['ratio']:.2f} times as "
            f"fast, {result['cpu_ratio']:.2f} times by CPU seconds.",
            "",
        ]
    return "\n".join([*lines, result["machine"]["sentence"]])


def make_host(
    settings: Settings, shape: str | None, layers: int | None = None
) -> tuple[Any, dict[str, Any]]:
    """The model of the settings, or random weights of a shape; and what it runs on.

    Args:
        settings: name the model and the device.
        shape: a name of `SHAPES`; None for the model.
        layers: so many of the shape's layers; None for all.
    """
    from lift_app.models.lora import AdapterHost

    base = _base(settings, shape, layers)
    return AdapterHost(base), _machine(base)


def model_of(settings: Settings, shape: str | None = None) -> Any:
    """The bare model of the settings, or random weights of a shape, as transformers loads it."""
    model = _base(settings, shape).model
    model.config._attn_implementation = "sdpa"  # ours is another
    return model


def _base(settings: Settings, shape: str | None, layers: int | None = None) -> Any:
    if shape:
        return make_base(shape, settings, layers)
    from lift_app.models.base_model import BaseModel

    folder = ensure_model(settings.model, settings)
    return BaseModel.load(folder, choose_device(settings, folder.parameters), settings)


def _seconds(host: Any, prefix: Any, ids: Any, recipe: Recipe) -> tuple[float, float]:
    """Seconds and CPU seconds of the steps of one pass over the segments, as a lift takes them."""
    import torch

    from lift_app.lifting.segments import Segment
    from lift_app.lifting.trainer import Trainer

    count, length = ids.shape
    segments = [Segment(k, k * length, (k + 1) * length, 0, 0) for k in range(count)]
    once = replace(recipe, epochs=1, stride=length, fresh_cuts=False)
    trainer = Trainer(host, "bench", ids.flatten().tolist(), segments, once, prefix.tolist())
    began, busy = time.perf_counter(), time.process_time()
    while not trainer.finished:
        trainer.step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began, time.process_time() - busy


def _operations(base: Any, recipe: Recipe) -> float:
    """Operations that one learned token needs: forward, and backward through what is frozen.

    4 for each weight of a linear layer and each token that is read (2 forward, 2 for the gradient
    of its input), for the output layer only where tokens are learned; attention 6 products (2
    forward, 4 backward) over half a square. The adapter's own are left out.
    """
    config = base.model.config.get_text_config()
    output = config.vocab_size * config.hidden_size
    from lift_app.models.linear_layers import features, linear_layers

    linear = sum(a * b for a, b in map(features, linear_layers(base.model).values()))
    read = recipe.segment_length + PREFIX_TOKENS
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    attention = config.num_hidden_layers * 6 * 2 * width * read / 2
    return float((4 * linear + attention) * read / recipe.segment_length + 4 * output)


def _peak_tflops(base: Any) -> float:
    """Operations a second of a large product in the model's precision, in 1e12; the best of 6."""
    import torch

    size = 2048 if base.device.type == "cpu" else 8192
    left, right = (torch.randn(size, size, dtype=base.dtype, device=base.device) for _ in "ab")
    best = float("inf")
    for _ in range(6):
        began = time.perf_counter()
        left @ right
        if base.device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e12


def _machine(base: Any) -> dict[str, Any]:
    import torch

    threads = torch.get_num_threads()
    where = torch.cuda.get_device_name() if base.device.type == "cuda" else processor()
    named = versions()
    return {
        "model": base.identity.name,
        "precision": base.choice.label,
        "device": where,
        "threads": threads,
        "versions": named,
        "sentence": f"{base.identity.name} ({base.choice.label}) on {where}, {threads} threads; "
        + ", ".join(f"{name} {version}" for name, version in named.items())
        + ".",
    }
