"""Do the server and ``emollm explain`` say the same? ``python -m emollm.serve.agreement URL CHECKPOINT CLIP…``.

Each person of each clip is asked about with each wording of training, greedily, by the server and in this process. The share of equal tokens
counts places at which both replies have the same token, of as many as the longer one has: what follows a first difference counts as different
where it is.
"""

import base64
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from emollm.answering import MAX_TOKENS, asked_about
from emollm.clip_files import open_clip
from emollm.emotions import label_set
from emollm.errors import ModelError
from emollm.generate import open_generator
from emollm.perception import observe
from emollm.prompts import prompt
from emollm.speaker import Asked
from emollm.types import Clip, Observation

_PARTS = {"image": "image_url", "video": "video_url", "audio": "audio_url"}


class Question(NamedTuple):
    """One prompt, as the server is sent it and as it is asked in process."""

    clip: Clip
    track: str | None
    text: str
    asked: Asked


class Compared(NamedTuple):
    """Two replies."""

    prompts: bool
    """Whether both prompts have the same tokens."""
    equal: int
    """Places with the same token."""
    tokens: int
    """Of the longer reply."""


def questions(paths: Sequence[Path], most: int) -> Iterator[Question]:
    """Prompts with media: all people with the first wording, then all with the second, and so on."""
    labels = label_set("basic8")
    measured = [(clip, observe(clip)) for clip in map(open_clip, paths)]
    people: list[tuple[Clip, Observation, str | None]] = []
    for clip, observation in measured:
        people += [(clip, observation, person.id) for person in observation.people] or [(clip, observation, None)]
    given = 0
    for text in prompt("instructions/reasoning").render(labels=", ".join(labels.labels)).splitlines():
        for clip, observation, track in people:
            if given == most:
                return
            asked = asked_about(clip, observation, labels, track, text)
            if asked.media:
                given += 1
                yield Question(clip, track, text, asked)


def asked_there(url: str, question: Question, tokens: int) -> tuple[list[int], list[int]]:
    """Tokens of the server's prompt and of its reply, without the one that ends it."""
    import requests

    from emollm.endpoint import with_key

    kind = next(name for name in _PARTS if getattr(question.clip, name) is not None)
    data = base64.b64encode(getattr(question.clip, kind).read_bytes()).decode()
    part = {"type": _PARTS[kind], _PARTS[kind]: {"url": f"data:{kind}/any;base64,{data}"}}
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": [part, {"type": "text", "text": question.text}]}],
        "max_tokens": tokens,
        "temperature": 0,
        "return_token_ids": True,
    }
    if question.track is not None:
        body["track"] = question.track
    response = requests.post(f"{url}/v1/chat/completions", json=body, auth=with_key, timeout=600)
    if response.status_code != 200:
        raise ModelError(f"{url}: {response.text[:200]}")
    said = response.json()
    return said["prompt_token_ids"], said["choices"][0]["token_ids"]


def compared(here: tuple[list[int], list[int]], there: tuple[list[int], list[int]]) -> Compared:
    """Two prompts with their replies."""
    own, other = here[1], there[1]
    equal = sum(one == two for one, two in zip(own, other, strict=False))
    return Compared(here[0] == there[0], equal, max(len(own), len(other)))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("url")
@click.argument("checkpoint")
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--prompts", default=50, show_default=True, help="How many.")
@click.option("--tokens", default=MAX_TOKENS, show_default=True, help="Longest reply.")
@click.option("--threads", type=int, help="Threads of the model in process; one is faster on cores that are shared.")
def main(url: str, checkpoint: str, clips: tuple[Path, ...], prompts: int, tokens: int, threads: int | None) -> None:
    """Asks the server at URL and CHECKPOINT in process about CLIPs, and prints the share of equal tokens as JSON."""
    from emollm.modeling.speaking import EmoLLMGenerator

    model = open_generator(checkpoint)
    if not isinstance(model, EmoLLMGenerator):
        raise click.UsageError(f"{checkpoint}: takes text alone")
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    ends = model.ends
    found = []
    for question in questions(clips, prompts):
        spoken = model.speak(question.asked, max_tokens=tokens)
        ids, reply = asked_there(url.rstrip("/").removesuffix("/v1"), question, tokens)
        there = [token for token in reply if token not in ends]
        found.append(compared((list(spoken.prompt), list(spoken.tokens)), (ids, there)))
        print(f"{len(found)}: {found[-1].equal} of {found[-1].tokens}", file=sys.stderr, flush=True)
    total = sum(one.tokens for one in found)
    print(
        json.dumps(
            {
                "prompts": len(found),
                "equal_prompts": sum(one.prompts for one in found),
                "equal_replies": sum(one.equal == one.tokens for one in found),
                "tokens": total,
                "equal_tokens": round(sum(one.equal for one in found) / total, 4),
            }
        )
    )


if __name__ == "__main__":
    main()
