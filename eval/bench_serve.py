"""What a server gives: requests a second with and without a photo, beside ``transformers.generate``, under load, after a kill, for long.

    python -m emollm.eval.bench_serve [--parts photo,generate,explain,load,kill,soak] [--threads 4] [--seconds 1200] [--page docs/serve.md]

One ``emollm serve emollm-135m`` is asked by all parts but ``kill``'s end, which starts its vLLM again. Prompts and lengths are equal in the parts
that are compared; each photo and each text is a new one, so that no cache answers.
"""

import argparse
import base64
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, NamedTuple

import numpy as np

from emollm.errors import EmollmError
from emollm.eval.bench_machine import machine
from emollm.eval.bench_table import put
from emollm.files import replacing
from emollm.generate import EMBEDDED

TOKENS = 64
"""Of a reply in the parts that are compared."""
AT_ONCE = 16
REQUESTS = 64
LOAD = (1, 8, 32)
"""Requests at the same time under load."""
LOADED = 300
LOAD_TOKENS = 16
QUESTION = "Which emotion is expressed here, and what shows it?"
PARTS = ("photo", "generate", "explain", "load", "kill", "soak")


class Server(NamedTuple):
    """A server that answers."""

    url: str
    process: "subprocess.Popen[str]"

    def chat(self, content: Any, tokens: int) -> tuple[int, dict[str, Any]]:
        """Status and body of a reply of just so many tokens; 0 and nothing where there is none."""
        import requests

        body = {
            "messages": [{"role": "user", "content": content}],
            "max_tokens": tokens,
            "min_tokens": tokens,
            "ignore_eos": True,
            "temperature": 0,
        }
        try:
            response = requests.post(f"{self.url}/v1/chat/completions", json=body, timeout=900)
            return response.status_code, response.json()
        except requests.RequestException:
            return 0, {}

    def memory(self) -> float:
        """MiB of all its processes together, shared pages shared out."""
        total = 0
        for process in (self.process.pid, *_below(self.process.pid)):
            try:
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024


def _below(process: int) -> list[int]:
    """All processes below one."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_below(int(child))]
    return found


@contextmanager
def server(threads: int) -> Iterator[Server]:
    """The embedded model behind ``emollm serve``."""
    command = [sys.executable, "-m", "emollm", "serve", EMBEDDED, "--port", "0"]
    command += ["--set", f"engine.threads={threads}", "--set", "limits.rate=0", "--set", "engine.memory_share=0.3"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    lines = iter(process.stderr)
    url = ""
    for line in lines:
        url = next((word for word in line.split() if word.startswith("http://")), url).removesuffix("/v1")
        if "ready" in line:
            break
    else:
        raise EmollmError("the server did not start")
    threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
    try:
        yield Server(url, process)
    finally:
        process.terminate()
        process.wait(60)


def photos(path: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """Parts of messages with so many photos of one face, none of which was seen before."""
    from PIL import Image

    from emollm.media.images import read_image

    pixels = read_image(path).pixels.astype(np.int16)
    found = []
    for place in range(count):
        noise = np.random.default_rng((seed, place)).integers(-2, 3, pixels.shape, dtype=np.int16)
        buffer = io.BytesIO()
        Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
        found.append({"type": "image_url", "image_url": {"url": url}})
    return found


def words(tokens: int, seed: int) -> str:
    """A text of about so many tokens that was not read before."""
    draw = np.random.default_rng(seed)
    common = list("abcdefghijklmnopqrstuvwxyz")
    return f"{seed} " + " ".join(draw.choice(common, max(1, tokens)))


def in_parallel(works: Sequence[Callable[[], Any]], workers: int) -> tuple[list[Any], float]:
    """Results of some work, and the seconds that all of it took."""
    began = perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(lambda work: work(), works))
    return found, perf_counter() - began


def measure_photo(own: Server, photo: Path, rounds: int = 4) -> dict[str, Any]:
    """Requests a second with one face photo, and with text alone of as many tokens."""
    text = {"type": "text", "text": QUESTION}
    _, first = own.chat([*photos(photo, 1, 1), text], TOKENS)
    prompt = int(first["usage"]["prompt_tokens"])
    overhead = own.chat(words(100, 0), 1)[1]["usage"]["prompt_tokens"] - 100
    seconds = {"photo": 0.0, "text": 0.0}
    said: dict[str, list[Any]] = {"photo": [], "text": []}
    for place in range(rounds):
        seen = photos(photo, AT_ONCE, 20 + place)
        contents: dict[str, list[Any]] = {
            "photo": [[part, text] for part in seen],
            "text": [words(prompt - overhead, 1000 * (place + 1) + seed) for seed in range(AT_ONCE)],
        }
        for name in ("photo", "text") if place % 2 else ("text", "photo"):  # in turns: machines are shared
            found, took = in_parallel([partial(own.chat, content, TOKENS) for content in contents[name]], AT_ONCE)
            seconds[name] += took
            said[name] += found
    used = {name: [body["usage"] for status, body in said[name] if status == 200] for name in said}
    prompts = [round(statistics.mean(one["prompt_tokens"] for one in used[name])) for name in ("photo", "text")]
    return {
        "photo": len(used["photo"]) / seconds["photo"], "text": len(used["text"]) / seconds["text"],
        "prompt": prompts[0], "plain": prompts[1],
        "answered": len(used["photo"]) + len(used["text"]), "of": 2 * rounds * AT_ONCE,
    }  # fmt: skip


def measure_generate(own: Server, photo: Path, threads: int, rounds: int = 4) -> dict[str, Any]:
    """Tokens a second of the server at once, and of ``transformers.generate`` one after the other, on the same prompts."""
    import torch

    from emollm.answering import shown
    from emollm.generate import open_generator
    from emollm.modeling.conversation import batch_of, encode
    from emollm.modeling.speaking import EmoLLMGenerator
    from emollm.perception import observe
    from emollm.types import Clip

    text = {"type": "text", "text": QUESTION}
    seen = photos(photo, REQUESTS, 3)
    said, seconds = in_parallel([partial(own.chat, [part, text], TOKENS) for part in seen], AT_ONCE)
    served = sum(body["usage"]["completion_tokens"] for status, body in said if status == 200) / seconds
    torch.set_num_threads(threads)
    model = open_generator(EMBEDDED)
    assert isinstance(model, EmoLLMGenerator)
    clip = Clip(id="photo", image=photo)
    observation = observe(clip)
    asked = shown(clip, observation, observation.people[0].id, QUESTION)
    net: Any = model.ready()
    batch = batch_of([encode(model.built().processor, asked.messages, asked.media, prompt=True)], 0)
    batch.pop("labels")
    times = []
    for _ in range(rounds + 1):
        began = perf_counter()
        with torch.inference_mode():
            net.generate(**batch, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False)
        times.append(perf_counter() - began)
    return {"server": served, "generate": TOKENS / statistics.median(times[1:])}


def measure_explain(own: Server, photo: Path, count: int = 8) -> dict[str, Any]:
    """What an explanation takes beside perception and generation."""
    import requests

    found = []
    for part in photos(photo, count + 1, 4):
        data = part["image_url"]["url"].partition(",")[2]
        body = {"file": {"name": "photo.jpg", "data": data}}
        began = perf_counter()
        timings = requests.post(f"{own.url}/v1/explain", json=body, timeout=900).json()["timings"]
        found.append({**timings, "whole": perf_counter() - began})
    found = found[1:]
    base = [one["observe"] + one["generate"] for one in found]
    more = [one["whole"] / own_base - 1 for one, own_base in zip(found, base, strict=True)]
    return {
        "more": statistics.median(more),
        **{
            name: statistics.median(one[name] for one in found)
            for name in ("observe", "first_token", "generate", "check", "whole")
        },
    }


def measure_load(own: Server, photo: Path) -> dict[str, Any]:
    """Requests of 16 tokens, every fourth with a photo, so many at a time."""
    rows = []
    for workers in LOAD:
        pictures = photos(photo, LOADED // 4, 10 + workers)
        works = []
        for place in range(LOADED):
            text = words(20, workers * 10_000 + place)
            content: Any = [pictures[place // 4], {"type": "text", "text": QUESTION}] if place % 4 == 0 else text
            works.append(partial(_timed, partial(own.chat, content, LOAD_TOKENS)))
        said, seconds = in_parallel(works, workers)
        times = sorted(one for _, one in said)
        answered = sum(status == 200 for (status, _), _ in said)
        rows.append({
            "workers": workers, "answered": answered, "rate": answered / seconds, "middle": times[len(times) // 2],
            "late": times[int(len(times) * 0.95)],
        })  # fmt: skip
    return {"rows": rows}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = perf_counter()
    return work(), perf_counter() - began


def measure_kill(own: Server) -> dict[str, Any]:
    """What happens to requests when vLLM is killed under load, and when it answers again: its API server, and the core that computes."""
    return {name: _killed(own, name) for name in ("api_server", "EngineCore")}


def _killed(own: Server, name: str) -> dict[str, Any]:
    import psutil
    import requests

    stop = threading.Event()
    statuses: list[int] = []
    bare: list[int] = []

    def ask(seed: int) -> None:
        while not stop.is_set():
            seed += 100
            body = {"messages": [{"role": "user", "content": words(20, seed)}], "max_tokens": LOAD_TOKENS}
            try:
                response = requests.post(f"{own.url}/v1/chat/completions", json=body, timeout=900)
            except requests.RequestException:
                statuses.append(0)
                continue
            statuses.append(response.status_code)
            if response.status_code == 503:
                bare.append("Retry-After" not in response.headers)
                sleep(0.5)

    threads = [threading.Thread(target=ask, args=(seed,), daemon=True) for seed in range(AT_ONCE)]
    with _all(threads, stop):
        sleep(10)
        called = [
            (one, " ".join([*one.cmdline(), one.name()])) for one in psutil.Process(own.process.pid).children(True)
        ]
        next(one for one, line in called if name in line and "keeper" not in line).kill()
        began = perf_counter()
        while requests.get(f"{own.url}/health", timeout=10).status_code == 200:
            sleep(0.05)
        noticed = perf_counter() - began
        while requests.get(f"{own.url}/health", timeout=10).status_code != 200:
            sleep(0.2)
        back = perf_counter() - began
        sleep(5)
    counts = {str(status): statuses.count(status) for status in sorted(set(statuses))}
    return {"noticed": noticed, "back": back, "statuses": counts, "without_retry": sum(bare)}


@contextmanager
def _all(threads: Sequence[threading.Thread], stop: threading.Event) -> Iterator[None]:
    """Starts them; in the end they are stopped and waited for."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def measure_soak(own: Server, photo: Path, seconds: float) -> dict[str, Any]:
    """Memory of all processes while photos are explained for long; the first fifth is for warming up."""
    import requests

    end = perf_counter() + seconds
    stop = threading.Event()
    answered: list[int] = []

    def ask(seed: int) -> None:
        place = 0
        while not stop.is_set():
            place += 1
            (part,) = photos(photo, 1, 100_000 + seed * 10_000 + place)
            body = {"file": {"name": "photo.jpg", "data": part["image_url"]["url"].partition(",")[2]}}
            try:
                answered.append(requests.post(f"{own.url}/v1/explain", json=body, timeout=900).status_code)
            except requests.RequestException:
                answered.append(0)

    threads = [threading.Thread(target=ask, args=(seed,), daemon=True) for seed in range(4)]
    samples: list[tuple[float, float]] = []
    began = perf_counter()
    with _all(threads, stop):
        while perf_counter() < end:
            sleep(min(10.0, seconds / 20))
            samples.append((perf_counter() - began, own.memory()))
    kept = [value for at, value in samples if at > seconds / 5]
    third = max(1, len(kept) // 3)
    return {
        "seconds": seconds, "requests": len(answered), "answered": answered.count(200), "first": statistics.mean(kept[:third]),
        "last": statistics.mean(kept[-third:]), "most": max(kept),
    }  # fmt: skip


def as_text(found: dict[str, dict[str, Any]], threads: int) -> str:
    """The results as Markdown."""
    rows = []
    if own := found.get("photo"):
        told = f"{own['photo']:.2f} / {own['text']:.2f} = **{own['photo'] / own['text']:.2f}**"
        prompts = f"{own['prompt']} and {own['plain']} tokens of prompt, {TOKENS} of reply, {AT_ONCE} at a time; "
        prompts += f"{own['answered']} of {own['of']} answered"
        rows.append(("requests a second, a new face photo each / text alone", told, "0.8", prompts))
    if own := found.get("generate"):
        told = f"{own['server']:.1f} / {own['generate']:.1f} = **{own['server'] / own['generate']:.1f} ×**"
        rows.append(
            (f"tokens a second, server at {AT_ONCE} at a time / `generate`", told, "4 ×", f"{TOKENS} tokens of reply")
        )
    if own := found.get("explain"):
        parts = ", ".join(
            f"{name} {own[name]:.2f} s" for name in ("observe", "first_token", "generate", "check", "whole")
        )
        rows.append(
            ("`/v1/explain` beside perception + generation", f"**+{own['more']:.1%}**", "15 %", f"medians: {parts}")
        )
    for row in found.get("load", {}).get("rows", ()):
        told = f"**{row['answered']} of {LOADED}**, {row['rate']:.1f} a second"
        beside = f"half within {row['middle']:.1f} s, 95 % within {row['late']:.1f} s"
        rows.append((f"{LOADED} requests of {LOAD_TOKENS} tokens, {row['workers']} at a time", told, "all", beside))
    for name, own in found.get("kill", {}).items():
        told = ", ".join(f"{count} × {status}" for status, count in own["statuses"].items())
        beside = f"noticed after {own['noticed']:.1f} s, answers again after {own['back']:.0f} s; 503 without Retry-After: {own['without_retry']}"
        rows.append((f"vLLM's {name} killed -9 under {AT_ONCE} clients", told, "answer or 503", beside))
    if own := found.get("soak"):
        told = f"**{own['first']:.0f} → {own['last']:.0f} MiB**, most {own['most']:.0f}"
        beside = f"{own['answered']} of {own['requests']} explanations answered"
        rows.append((f"memory of all processes over {own['seconds'] / 60:.0f} minutes", told, "flat", beside))
    lines = [
        f"`python -m emollm.eval.bench_serve --parts {','.join(found)} --threads {threads}` on {machine()}.", "",
        "| what | measured | asked | |", "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows),
    ]  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 0 done, 2 nothing done."""
    parser = argparse.ArgumentParser(prog="python -m emollm.eval.bench_serve", description=__doc__.split("\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--photo", type=Path, help="default: the asset photo-astronaut")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of vLLM and of generate")
    parser.add_argument("--seconds", type=float, default=1200, help="of the soak")
    parser.add_argument("--page", type=Path, help="file whose section is written anew")
    parser.add_argument("--json", type=Path, help="file of the numbers")
    given = parser.parse_args(arguments)
    from emollm import assets

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is ended with it
    try:
        photo = given.photo or assets.path("photo-astronaut")
        found: dict[str, dict[str, Any]] = {}
        with server(given.threads) as own:
            measures: dict[str, Callable[[], dict[str, Any]]] = {
                "photo": lambda: measure_photo(own, photo),
                "generate": lambda: measure_generate(own, photo, given.threads),
                "explain": lambda: measure_explain(own, photo),
                "load": lambda: measure_load(own, photo),
                "kill": lambda: measure_kill(own),
                "soak": lambda: measure_soak(own, photo, given.seconds),
            }
            for name in given.parts.split(","):
                found[name] = measures[name]()
                print(json.dumps({name: found[name]}), file=sys.stderr, flush=True)
                if given.json is not None:
                    with replacing(given.json, "w") as file:
                        json.dump(found, file, indent=1)
    except (EmollmError, KeyError) as error:
        print(f"bench_serve: {error}", file=sys.stderr)
        return 2
    text = as_text(found, given.threads)
    print(text)
    if given.page is not None:
        put(given.page, "serve", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
