"""How much later the first words stand on the page of the chat than they leave the server that it asks.

    python -m emollm.eval.bench_chat [--rounds 15] [--threads 2] [--page docs/serve.md]

One ``emollm serve emollm-135m`` is asked by turns: by a program, through ``/v1/explain`` as a stream, and by a visitor in headless Chromium, through
``emollm chat --endpoint``. From the request, or from the click on "Ask" with the photo uploaded before, until the first piece of the answer has come, or
stands on the page; then either lets go. Each photo is a new one, so that nothing is known of it. vLLM computes with half the cores unless told otherwise: a
visitor's browser has a machine of its own, and here it must not wait for vLLM's. Needs Chromium and the package playwright.
"""

import argparse
import base64
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from emollm.errors import EmollmError, MissingDependency
from emollm.eval.bench_machine import machine
from emollm.eval.bench_serve import photos, server
from emollm.eval.bench_table import put
from emollm.files import replacing

_WATCH = """() => {
  const draft = document.querySelector("#draft");
  const look = () => { const text = draft.querySelector(".raw"); if (text && text.textContent && !window.first) window.first = performance.now() - window.began; };
  window.first = 0;
  new MutationObserver(look).observe(draft, { childList: true, subtree: true, characterData: true });
  window.began = performance.now();
  document.querySelector("#ask").click();
}"""
_WAIT = 120_000
_REST = 1.0
"""Seconds in which the server lets go of the request before."""


@contextmanager
def chat(endpoint: str) -> Iterator[str]:
    """The address of a chat that asks a server."""
    command = [sys.executable, "-m", "emollm", "chat", "--port", "0", "--endpoint", endpoint]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        for line in process.stderr:
            if found := next((word for word in line.split() if word.startswith("http://")), None):
                break
        else:
            raise EmollmError("the chat did not start")
        yield found
    finally:
        process.terminate()
        process.wait(60)


def asked(url: str, photo: bytes) -> float:
    """Seconds until the first token of a streamed explanation, which is then hung up on."""
    import requests

    began = perf_counter()
    with requests.post(
        f"{url}/v1/explain", files={"file": ("photo.jpg", photo)}, data={"stream": "true"}, stream=True, timeout=900
    ) as reply:
        for line in reply.iter_lines(chunk_size=1):
            if line == b"event: token":
                return perf_counter() - began
    raise EmollmError(f"{url}: no token came (status {reply.status_code})")


def visited(page: Any, photo: Path) -> float:
    """Seconds from the click until the first words stand on the page; the answer is then stopped."""
    page.set_input_files("#file input[type=file]", photo)
    page.wait_for_selector("#given .chip-clip")
    page.wait_for_timeout(500)
    page.evaluate(_WATCH)
    page.wait_for_function("window.first > 0")
    page.click("#stop")
    page.wait_for_selector("#ask", state="visible")
    return float(page.evaluate("window.first")) / 1000


def measure(photo: Path, rounds: int, threads: int) -> dict[str, Any]:
    """Seconds of both, round by round; one round before them is not counted.

    Raises:
        MissingDependency: No Chromium, or no playwright.
        EmollmError: Server or chat cannot be started.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise MissingDependency("the chat is driven by the package 'playwright'; pip install playwright") from error
    chromium = shutil.which("chromium")
    if chromium is None:
        raise MissingDependency("no chromium found; on Debian: apt install chromium")
    new = [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in photos(photo, 2 * rounds + 2, 77)]
    found: dict[str, Any] = {"server": [], "chat": []}
    with (
        server(threads) as own,
        chat(own.url) as address,
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for place in range(rounds + 1):
            file = Path(folder) / f"{place}.jpg"
            file.write_bytes(new[2 * place])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(_WAIT)
            page.goto(address)
            page.click("#notice-accept")
            one = {"server": asked(own.url, new[2 * place + 1])}
            sleep(_REST)
            one["chat"] = visited(page, file)
            page.context.close()
            sleep(_REST)
            if place:
                for name, seconds in one.items():
                    found[name].append(seconds)
        browser.close()
    return found


def as_text(found: dict[str, Any], threads: int) -> str:
    """The result in one sentence."""
    ratios = [chat / bare for chat, bare in zip(found["chat"], found["server"], strict=True)]
    middle = {name: statistics.median(found[name]) for name in ("server", "chat")}
    return (
        f"First words of an explanation, `python -m emollm.eval.bench_chat --threads {threads}` on {machine()}: {middle['server']:.2f} s from the bare server, {middle['chat']:.2f} s from "
        f"the click to the page of the chat; pair by pair **{statistics.median(ratios):.2f} ×** ({min(ratios):.2f}–{max(ratios):.2f}, {len(ratios)} pairs; asked: at most 1.3)."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 0 done, 2 nothing done."""
    parser = argparse.ArgumentParser(prog="python -m emollm.eval.bench_chat", description=__doc__.split("\n")[0])
    parser.add_argument("--photo", type=Path, help="default: the asset photo-astronaut")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="of vLLM")
    parser.add_argument("--page", type=Path, help="file whose section is written anew")
    parser.add_argument("--json", type=Path, help="file of the numbers")
    given = parser.parse_args(arguments)
    from emollm import assets

    try:
        if given.rounds < 1:
            raise EmollmError("--rounds: expected 1 or more")
        found = measure(given.photo or assets.path("photo-astronaut"), given.rounds, given.threads)
    except EmollmError as error:
        print(f"bench_chat: {error}", file=sys.stderr)
        return 2
    if given.json is not None:
        with replacing(given.json, "w") as file:
            json.dump(found, file, indent=1)
    text = as_text(found, given.threads)
    print(text)
    if given.page is not None:
        put(given.page, "chat", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
