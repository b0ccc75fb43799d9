"""Report: figures 3 and 4 in words and as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def cost(result: Mapping[str, Any]) -> str:
    """Figure 3 as a table, with its crossing points."""
    lines = [
        f"| input tokens | arm | {result['seconds']} once | a question | peak memory, GiB |",
        "|---|---|---|---|---|",
    ]
    for p in result["points"]:
        if p["error"]:
            lines.append(f"| {p['length']:,} | {p['arm']} | out of memory | – | – |")
            continue
        memory = "–" if p["bytes"] is None else f"{p['bytes'] / 2**30:.2f}"
        lines.append(
            f"| {p['length']:,} | {p['arm']} | {p['once']:.1f} | {p['question']:.2f} | {memory} |"
        )
    lines += ["", "| questions | LIFT is cheaper from (input kept) | (input read anew each time) |"]
    lines += ["|---|---|---|"]
    for one in result["crossings"]:
        cells = [_tokens(one[name]) for name in ("cached", "uncached")]
        lines.append(f"| {one['questions']} | {cells[0]} | {cells[1]} |")
    memory = result["memory"]
    full = memory.get("icl_failed_at") or memory.get("icl_full_at")
    if full:
        measured = "measured" if memory.get("icl_failed_at") else "by the fitted line"
        lines += ["", f"ICL is out of memory at {full:,} tokens ({measured}), with "
                  f"{memory['machine_bytes'] / 2**30:.0f} GiB."]  # fmt: skip
    return "\n".join([*lines, "", result["run"]["sentence"]])


def needles(result: Mapping[str, Any]) -> str:
    """Figure 4 as a table: the share found, and the NLL of the needle by length."""
    lengths = result["lengths"]
    header = " | ".join(f"NLL, {n:,} tokens" for n in lengths)
    lines = [f"| arm | needles found | {header} |", f"|---|---|{'---|' * len(lengths)}"]
    for arm in result["arms"]:
        cells = []
        for length in lengths:
            own = [c["nll"] for c in result["cells"] if (c["arm"], c["length"]) == (arm, length)]
            cells.append(f"{sum(own) / len(own):.2f}")
        lines.append(f"| {arm} | {result['found'][arm]:.0f} % | {' | '.join(cells)} |")
    return "\n".join([*lines, "", result["run"]["sentence"]])


def _tokens(length: int | None) -> str:
    if length is None:
        return "never, by these fits"
    return f"{length:,} tokens"
