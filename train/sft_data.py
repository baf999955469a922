"""Samples to train on: an index over JSONL files, in which order they are seen, and the tensors of a step."""

import json
import random
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError
from torch.utils.data import Dataset, Sampler

from emollm.errors import DataError, EmollmError, one_line
from emollm.files import replacing
from emollm.modeling.conversation import LEAST, Encoded, batch_of, encode
from emollm.modeling.modeling import voice_tokens
from emollm.modeling.processing import EmoLLMProcessor
from emollm.samples import Sample
from emollm.train.sft_recipe import BatchSettings, SampleSource

GROUPS = 50
"""Steps whose Samples are sorted by length together."""


class Place(NamedTuple):
    """Where a Sample stands."""

    path: Path
    line: int
    """From 1."""
    start: int
    """Byte."""
    root: Path
    weight: float
    labelled: bool
    """Whether it has a gold label and a label set."""


class Samples(Dataset[Encoded]):
    """Samples of several files; only where they stand is kept in memory.

    Args:
        sources: Files and folders.
        processor: Of the model.
        limit: Most tokens of a Sample.

    Raises:
        DataError: A file cannot be read, holds no Sample, or a line is none.
    """

    def __init__(self, sources: Sequence[SampleSource], processor: EmoLLMProcessor, limit: int) -> None:
        self.processor, self.limit = processor, limit
        total = blake2b(digest_size=8)
        places: list[Place] = []
        lengths: list[int] = []
        self.rejects: list[tuple[str, str]] = []
        for source in sources:
            for path in files_of(source.path):
                root = source.root or path.parent
                for place, length in self._scan(path, source, root, total):
                    if length < 0:
                        self.rejects.append((f"{path}:{place.line}", f"longer than {limit} tokens before its reply"))
                        continue
                    places.append(place)
                    lengths.append(length)
        if not places:
            raise DataError(
                f"{', '.join(str(source.path) for source in sources)}: no Samples to use ({len(self.rejects)} too long); check split, "
                "limit and batches.max_tokens"
            )
        self.places, self.lengths = places, np.array(lengths, np.int32)
        self.fingerprint = total.hexdigest()

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    def __getitem__(self, index: int) -> Encoded:
        """One of them as the model takes it.

        Raises:
            EmollmError: It cannot be used; the message names file and line.
        """
        place = self.places[index]
        sample = self.sample(index)
        try:
            return encode(self.processor, sample.messages, sample.media, root=place.root, limit=self.limit)
        except EmollmError as error:
            raise DataError(f"{place.path}:{place.line}: {error}") from error

    def sample(self, index: int) -> Sample:
        """One of them as it was written.

        Raises:
            DataError: The line is no Sample any more.
        """
        place = self.places[index]
        with place.path.open("rb") as file:
            file.seek(place.start)
            try:
                return Sample.model_validate_json(file.readline())
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                raise DataError(
                    f"{place.path}:{place.line}: no Sample: {'.'.join(map(str, first['loc']))}: {one_line(first['msg'])}"
                ) from error

    def _scan(self, path: Path, source: SampleSource, root: Path, total: Any) -> Iterator[tuple[Place, int]]:
        """Where each Sample of a file stands and its length in tokens; -1 where it cannot be made to fit."""
        waiting: list[tuple[Place, dict[str, Any]]] = []
        taken = 0
        try:
            with path.open("rb") as file:
                start = 0
                for number, line in enumerate(file, 1):
                    here, start = start, start + len(line)
                    if not line.strip():
                        continue
                    record = _record(line, path, number)
                    if source.split is not None and record.get("split") != source.split:
                        continue
                    if source.limit is not None and taken >= source.limit:
                        break
                    taken += 1
                    total.update(line)
                    weight = source.weight * float(record.get("weight") or 1.0)
                    labelled = bool(record.get("gold")) and bool(record.get("label_set"))
                    waiting.append((Place(path, number, here, root, weight, labelled), record))
                    if len(waiting) == 512:
                        yield from self._measured(waiting)
                        waiting.clear()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
        yield from self._measured(waiting)

    def _measured(self, waiting: list[tuple[Place, dict[str, Any]]]) -> Iterator[tuple[Place, int]]:
        """Lengths of some records by the tokenizer; what their media take is told from their kind."""
        if not waiting:
            return
        texts = ["".join(_texts(record)) for _, record in waiting]
        firsts = ["".join(_texts(record, before=True)) for _, record in waiting]
        words = self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
        before = self.processor.tokenizer(firsts, add_special_tokens=False)["input_ids"]
        for (place, record), ids, first in zip(waiting, words, before, strict=True):
            around = 8 * len(record["messages"])
            media = self._media_tokens(record)
            whole = len(ids) + around + media
            # The bound on what stands before the reply is generous: what passes here and does not fit is refused when it is read.
            fits = len(first) + media + LEAST <= self.limit
            yield place, min(whole, self.limit) if fits else -1

    def _media_tokens(self, record: dict[str, Any]) -> int:
        """Tokens of a record's media, as far as is known without reading them."""
        count = 0
        for item in record.get("media") or ():
            if item["type"] == "image":
                count += self.processor.scene_tokens + bool(item.get("box")) * self.processor.face_tokens
            elif item["type"] == "audio" and self.processor.speech_tokens:
                seconds = (item.get("end") or 5.0) - (item.get("start") or 0.0)
                count += voice_tokens(round(min(seconds, 30.0) * 100), self.processor.speech_tokens)
        return count


class Order(Sampler[int]):
    """The order in which Samples are seen: another one each epoch, the same for the same seed.

    Args:
        samples: What is seen.
        settings: Of the batches.
        step: Samples a step, over all processes.
        seed: Of the order.
    """

    def __init__(self, samples: Samples, settings: BatchSettings, step: int, seed: int) -> None:
        self.samples, self.settings, self.step, self.seed, self.epoch = samples, settings, step, seed, 0
        self._size = len(self._drawn(0))

    def __len__(self) -> int:
        """How many Samples an epoch has."""
        return self._size

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch's."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Numbers of the Samples."""
        draw = random.Random(f"{self.seed}.{self.epoch}")
        drawn = self._drawn(self.epoch)
        if self.settings.layout == "ordered":
            return iter(drawn)
        draw.shuffle(drawn)
        if self.settings.layout == "shuffled":
            return iter(drawn)
        lengths = self.samples.lengths
        size = self.step * GROUPS
        steps: list[list[int]] = []
        for start in range(0, len(drawn), size):
            group = sorted(drawn[start : start + size], key=lambda index: -int(lengths[index]))
            steps += [group[first : first + self.step] for first in range(0, len(group), self.step)]
        whole = [one for one in steps if len(one) == self.step]
        draw.shuffle(whole)
        return iter([index for one in (*whole, *(one for one in steps if len(one) < self.step)) for index in one])

    def _drawn(self, epoch: int) -> list[int]:
        """Each Sample as often as its weight says; of a fraction another part each epoch, always as many in all."""
        weights = np.array([place.weight for place in self.samples.places])
        times = np.floor(weights).astype(int)
        rest = weights - times
        extra = round(float(rest.sum()))
        if extra:
            chosen = np.random.default_rng((self.seed, epoch)).choice(
                len(weights), size=min(extra, int((rest > 0).sum())), replace=False, p=rest / rest.sum()
            )
            times[chosen] += 1
        return [int(index) for index in np.repeat(np.arange(len(weights)), times)]


class Collator:
    """Tensors of the Samples of a step.

    Args:
        padding: Token that fills rows up.
        packed: Whether all Samples stand in one row.
    """

    def __init__(self, padding: int, packed: bool) -> None:
        self.padding, self.packed = padding, packed

    def __call__(self, encoded: Sequence[Encoded]) -> dict[str, Any]:
        """Keyword arguments of the model."""
        return batch_of(encoded, self.padding, packed=self.packed)


def files_of(path: Path) -> list[Path]:
    """The files of a source.

    Raises:
        DataError: There are none.
    """
    if path.is_dir():
        found = sorted(path.glob("samples-*.jsonl"))
        if not found:
            raise DataError(f"{path}: no samples-*.jsonl in this folder; give what `emollm data build` wrote")
        return found
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a JSONL file of Samples or a folder of `emollm data build`")
    return [path]


def write_rejects(path: Path, samples: Samples) -> None:
    """One JSON line for each Sample that is left out, with the reason."""
    with replacing(path, "w") as file:
        for where, reason in samples.rejects:
            file.write(json.dumps({"sample": where, "reason": reason}) + "\n")


def _record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """The JSON object of a line, so far as it is looked at here.

    Raises:
        DataError: It is no Sample, or the assistant says nothing in it.
    """
    try:
        record = json.loads(line)
        roles = [message["role"] for message in record["messages"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}:{number}: no Sample: {one_line(str(error))}; write Samples with `emollm data`"
        ) from error
    if "assistant" not in roles:
        raise DataError(f"{path}:{number}: no turn of the assistant, so nothing to learn from; leave the Sample out")
    return record  # type: ignore[no-any-return]


def _texts(record: dict[str, Any], before: bool = False) -> Iterator[str]:
    """Texts of all messages, or of those before the first reply."""
    for message in record["messages"]:
        if before and message["role"] == "assistant":
            return
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part.get("type") == "text":
                yield str(part.get("text", ""))
