"""What a run would do, told before it starts: parameters trained, tokens a step, memory by part."""

import math
from collections.abc import Sequence

import numpy as np

from emollm.train.sft_data import Samples
from emollm.train.sft_model import Held
from emollm.train.sft_recipe import SftRecipe


def plan_of(recipe: SftRecipe, parts: Sequence[Held], samples: Samples, processes: int) -> str:
    """A table of some lines.

    Memory of gradients and AdamW is four bytes and eight a trained parameter; activations come on top and depend on the device.
    """
    lines = [f"{'part':<20} {'parameters':>14} {'trained':>12} {'MiB':>8}"]
    lines += [f"{part.name:<20} {part.all:>14,} {part.trained:>12,} {part.megabytes:>8.1f}" for part in parts]
    trained = sum(part.trained for part in parts)
    kept = sum(part.megabytes for part in parts)
    lines.append(f"{'all':<20} {sum(part.all for part in parts):>14,} {trained:>12,} {kept:>8.1f}")
    state = trained * 12 / 2**20
    optimise = recipe.optimise
    rows = optimise.batch * optimise.accumulate * processes
    mean, most = float(samples.lengths.mean()), int(samples.lengths.max())
    weights = float(np.sum([place.weight for place in samples.places]))
    steps = optimise.steps or math.ceil(optimise.epochs * math.ceil(weights / rows))
    cut = int((samples.lengths >= recipe.batches.max_tokens).sum())
    lines.append(
        f"{len(samples):,} Samples ({len(samples.rejects)} left out, about {cut} too long and cut), {weights:,.0f} an epoch; about {mean:.0f} tokens each, at most {most}; "
        f"{rows} Samples and about {mean * rows:,.0f} tokens a step; {steps:,} steps on {processes} process{'es' * (processes > 1)}"
    )
    unread = [f"{what} of {count:,} Samples" for what, count in sorted(samples.unread.items())]
    lines += [f"not taken by this model: {', '.join(unread)}"] if unread else []
    lines.append(f"weights {kept:.0f} MiB, gradients and optimiser {state:.0f} MiB a process, activations on top")
    return "\n".join(lines)
