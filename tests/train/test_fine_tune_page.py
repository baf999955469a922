"""docs/fine-tune.md: what it tells to type runs, and its table has all settings."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from emollm import config
from emollm.train.sft import deepspeed_file
from emollm.train.sft_recipe import SftRecipe
from emollm.train.sft_settings import rows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fine-tune.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)


def test_the_table_has_all_settings_with_their_defaults() -> None:
    missing = [row for row in rows(SftRecipe) if row not in PAGE]
    assert not missing, "run: python -m emollm.train.sft_settings docs/fine-tune.md"
    assert PAGE.count("\n| `") - PAGE.split("## All settings")[0].count("\n| `") == len(list(rows(SftRecipe)))


@pytest.mark.slow
def test_what_the_page_says_runs_in_its_order_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(ROOT / "train")  # recipes
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": ""}
    said = ""
    for language, text in BLOCKS:
        command = {"sh": ["bash", "-euo", "pipefail", "-c", text], "python": [sys.executable, "-c", text]}.get(language)
        if command is None:
            continue
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=550, check=False
        )
        assert result.returncode == 0, f"{text}\n{result.stdout[-2000:]}\n{result.stderr[-3000:]}"
        said += result.stdout + result.stderr
    assert "146,861,066 parameters, 564 MiB" in said
    assert said.count("on 2 processes") == 2
    for run in ("align", "sft", "tiny-alone", "tiny-qlora", "tiny-accelerate", "tiny-deepspeed"):
        assert list((tmp_path / "runs" / run).glob("checkpoint-*/complete.json")), run
        assert (tmp_path / "runs" / run / "model" / "run.yaml").is_file()


def test_commands_for_gpus_name_settings_and_files_that_there_are(tmp_path: Path) -> None:
    recipe = next(text for language, text in BLOCKS if "cat > sft.yaml" in text)
    (tmp_path / "sft.yaml").write_text(recipe.split("cat > sft.yaml <<'EOF'\n")[1].split("EOF\n")[0])
    lines = [line for language, text in BLOCKS if language == "text" for line in text.splitlines()]
    commands = [shlex.split(line) for line in lines if line and not line.startswith("#")]
    assert len(commands) > 4
    for words in commands:
        sets = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
        values = config.load(SftRecipe, tmp_path / words[words.index("emollm.train.sft") + 1], sets)
        assert (values.deepspeed is not None) == (words[0] == "deepspeed")
        assert deepspeed_file(values.deepspeed) or words[0] != "deepspeed"
