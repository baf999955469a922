"""Annotators with the embedded language model behind a real vLLM process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from emollm.converted import converted
from emollm.data_engines.annotators import Annotator, Draft
from emollm.data_engines.base import Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.emotions import label_set
from emollm.evidence import check
from emollm.generate import DEFAULT
from emollm.rationale_text import join, split
from emollm.reasoner import reason
from emollm.samples import Sample, SampleProvenance
from emollm.types import Message, Observation, TextPart, Verdict

KINDS = {"form", "label", "lost", "length", "contradicted", "unsupported", "number", "emotion"}


@contextmanager
def vllm(folder: Path, log: Path) -> Iterator[str]:
    """The address of vLLM's server of a model, which is stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--served-model-name", "smol",
        "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "2048", "--enforce-eager",
    ]  # fmt: skip
    given = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file:
        server = subprocess.Popen(command, env={**os.environ, **given}, stdout=file, stderr=subprocess.STDOUT)
        try:
            _await(server, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1#smol"
        finally:
            server.terminate()  # it ends its engine; it stays in our group, so that whoever ends the tests ends it too
            server.wait(60)


def _await(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    last = time.monotonic() + 400
    while time.monotonic() < last:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.exceptions.RequestException:
            time.sleep(1)
    raise AssertionError(f"vLLM is not up in time: {log.read_text()[-2000:]}")


def draft(observation: Observation) -> Draft:
    answer = reason(observation, label_set("basic8"))
    assert answer.rationale is not None
    messages = tuple(
        Message.model_validate({"role": role, "content": (TextPart(text=text),)})
        for role, text in (("user", "Which emotion is seen, and why?"), ("assistant", join(answer.rationale)))
    )
    provenance = SampleProvenance(engine="t@1", licence="public domain", label_visible=False, clip="astronaut")
    return Sample(id="astronaut", messages=messages, label=answer.label, label_set="basic8", provenance=provenance), observation, answer.track  # fmt: skip


@pytest.mark.slow
def test_a_model_behind_vllm_words_samples_that_hold_and_is_not_asked_twice(
    astronaut_observation: Observation, tmp_path: Path
) -> None:
    drafts = [draft(astronaut_observation)]

    def annotator(address: str) -> Annotator:
        options = {"model": address, "role": "describer", "max_tokens": 160, "timeout": 400, "temperature": 0}
        return Annotator(BuildSettings.model_validate({"annotator": options}), tmp_path / "replies")

    with vllm(converted(DEFAULT), tmp_path / "vllm.log") as address:
        asked = annotator(address)
        first = [*asked.revise(drafts)]
    assert 1 <= asked.usage.requests <= 2
    assert asked.usage.estimated == 0
    assert asked.usage.prompt_tokens > 300
    for result in first:
        if isinstance(result, Rejected):
            assert result.reason.partition(":")[0] in KINDS
        else:
            rationale = split(result.reply)
            assert rationale is not None
            assert result.provenance.annotator == "smol"
            verdicts = {claim.verdict for claim in check(rationale, astronaut_observation, drafts[0][2])}
            assert Verdict.CONTRADICTED not in verdicts
    again = annotator(address)  # the server is gone
    assert [*again.revise(drafts)] == first
    assert (again.usage.requests, again.usage.cached) == (0, asked.usage.requests)
