"""What an explanation by the embedded model costs beside its bare language model.

    python -m emollm.eval.bench_explain [--photo FILE] [--tokens 120] [--rounds 5] [--threads 2] [--page docs/bench.md]

Side by side, in turns, warm: the reply of ``emollm-135m`` about one photo, its labels ranked and its claims checked, and as many tokens of
``LlamaForCausalLM.generate`` of SmolLM2-135M-Instruct behind as many tokens, in the same kind of number. Perception is timed apart; load
time and peak memory are those of a process of its own that explains the photo once.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from emollm.errors import EmollmError
from emollm.eval.bench_table import put

_ONCE = """
import json, resource, sys
from pathlib import Path
from time import perf_counter
from emollm.explain import ExplainSettings, answerer, explain
from emollm.types import Clip
start = perf_counter()
answerer("emollm-135m").ready()
loaded = perf_counter() - start
explain(Clip(id="photo", image=Path(sys.argv[1])), ExplainSettings(by="emollm-135m"))
print(json.dumps({"load": loaded, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


class Cost(NamedTuple):
    """What was measured; times in seconds, one a round."""

    perception: list[float]
    ours: list[float]
    bare: list[float]
    prompt: int
    tokens: int
    load: float
    peak: float
    """GiB."""

    @property
    def ratio(self) -> list[float]:
        """Ours over the bare model's, round by round."""
        return [own / other for own, other in zip(self.ours, self.bare, strict=True)]


def measure(photo: Path, tokens: int, rounds: int, threads: int) -> Cost:
    """One run; the first round of each is not counted.

    Raises:
        EmollmError: The photo cannot be read, or a model cannot be had.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from emollm.answering import asked_about
    from emollm.converted import converted
    from emollm.emotions import label_set
    from emollm.evidence import check_text
    from emollm.explain import answerer
    from emollm.generate import EMBEDDED
    from emollm.perception import observe
    from emollm.types import Clip, Part

    torch.set_num_threads(threads)
    model = answerer(EMBEDDED)
    assert model is not None
    clip, labels = Clip(id="photo", image=photo), label_set("basic8")
    observation = observe(clip)
    if not observation.tracks:
        raise EmollmError(f"{photo}: no face; give a photo of somebody")
    track = observation.tracks[0].id
    asked = asked_about(clip, observation, labels, track)
    dtype = model.ready().dtype
    bare: Any = AutoModelForCausalLM.from_pretrained(converted("smollm2-135m-instruct"), dtype=dtype)
    prompt = len(model.speak(asked, max_tokens=1).prompt)
    ids = torch.randint(100, 40_000, (1, prompt), generator=torch.Generator().manual_seed(0))

    def explained() -> None:
        spoken = model.speak(asked, max_tokens=tokens, least=tokens)
        model.spoken_scores(spoken, spoken.text[:-20], labels.labels)
        check_text(spoken.text, Part.OBSERVATIONS, observation, track)

    def generated() -> None:
        with torch.inference_mode():
            bare.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens,
                do_sample=False, pad_token_id=0,
            )  # fmt: skip

    works: tuple[Callable[[], object], ...] = (lambda: observe(clip), explained, generated)
    times: list[list[float]] = [[], [], []]
    for number in range(rounds + 1):
        order = range(3) if number % 2 else reversed(range(3))
        for place in order:
            start = perf_counter()
            works[place]()
            if number:
                times[place].append(perf_counter() - start)
    done = subprocess.run([sys.executable, "-c", _ONCE, str(photo)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmollmError(f"explaining once failed: {done.stderr.strip().splitlines()[-1]}")
    once = json.loads(done.stdout.splitlines()[-1])
    return Cost(times[0], times[1], times[2], prompt=prompt, tokens=tokens, load=once["load"], peak=once["peak"])


def as_text(cost: Cost, threads: int) -> str:
    """The result as Markdown."""

    def told(values: Sequence[float]) -> str:
        return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"

    return "\n".join(
        (
            f"`python -m emollm.eval.bench_explain`: one photo, {cost.prompt} tokens of prompt, {cost.tokens} of reply, {threads} threads, "
            f"{len(cost.ours)} rounds after one that is not counted; medians, in brackets the lowest and the highest.",
            "",
            "| | seconds |",
            "|---|---|",
            f"| perception of the photo | {told(cost.perception)} |",
            f"| reply, ranked labels, checked claims | {told(cost.ours)} |",
            f"| bare `LlamaForCausalLM.generate` | {told(cost.bare)} |",
            f"| ours over bare, round by round (aim 1.25) | {told(cost.ratio)} × |",
            f"| loading the model, a process of its own (aim 10) | {cost.load:.1f} |",
            "",
            f"Peak memory of a process that explains the photo once: {cost.peak:.2f} GiB (aim 2.5 GB = 2.33 GiB).",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 0 done, 2 nothing done."""
    parser = argparse.ArgumentParser(prog="python -m emollm.eval.bench_explain", description=__doc__.split("\n")[0])
    parser.add_argument("--photo", type=Path, help="default: the asset photo-astronaut")
    parser.add_argument("--tokens", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--page", type=Path, help="file whose section is written anew")
    given = parser.parse_args(arguments)
    from emollm import assets

    try:
        photo = given.photo or assets.path("photo-astronaut")
        text = as_text(measure(photo, given.tokens, given.rounds, given.threads), given.threads)
        if given.page is not None:
            put(given.page, "explain", text)
    except EmollmError as error:
        print(f"emollm: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
