"""Loads a data set with LLaMA-Factory's own loader; run by test_llamafactory_package.py with the Python of an environment that has it.

    python llamafactory_load.py FOLDER DATASET MEDIA_DIR [text]

Prints one JSON object: ``version``; ``rows``, as the converter gives them, each held against the plugin that counts placeholders. With
``text`` also ``trained``: the whole path up to token ids, with a tokenizer of one token a character, as the replies that are trained on.
"""

import json
import sys

import llamafactory
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.data.mm_plugin import BasePlugin
from llamafactory.hparams import DataArguments, ModelArguments, TrainingArguments
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def _tokenizer():  # type: ignore[no-untyped-def]
    """One token a byte."""
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    letters |= {"<unk>": len(letters), "<|im_end|>": len(letters) + 1}
    plain = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            pre_tokenizers.Split(Regex("."), "isolated"),
        ]
    )
    plain.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", eos_token="<|im_end|>")


def main(folder: str, name: str, media: str, text: bool) -> None:
    data = DataArguments(dataset=name, dataset_dir=folder, media_dir=media, template="qwen", cutoff_len=4096)
    model, training = ModelArguments(model_name_or_path="none"), TrainingArguments(output_dir=folder)
    rows = _get_merged_dataset(data.dataset, model, data, training, "sft").to_list()
    plugin = BasePlugin(None, None, None)
    for row in rows:
        media_lists = [row[f"_{kind}"] or [] for kind in ("images", "videos", "audios")]
        plugin._validate_messages(row["_prompt"] + row["_response"], *media_lists)
    said = {"version": llamafactory.__version__, "rows": rows}
    if text:
        tokenizer = _tokenizer()
        template = get_template_and_fix_tokenizer(tokenizer, data)
        encoded = get_dataset(template, model, data, training, "sft", tokenizer)["train_dataset"]
        said["trained"] = [
            tokenizer.decode([token for token in row["labels"] if token != -100], skip_special_tokens=True)
            for row in encoded
        ]
    sys.stdout.write("\n" + json.dumps(said) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4], text="text" in sys.argv[4:])
