"""Writes the published JSON schemas of the records, ``docs/schema/<record>.schema.json``.

.venv/bin/python .ci/schema.py    (what `make schema` runs)
"""

import json
from pathlib import Path

from emollm.samples import Sample
from emollm.types import Answer, Clip, Observation

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schema"


def main() -> None:
    """Writes one file a record."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for record in (Clip, Observation, Sample, Answer):
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **record.model_json_schema()}
        path = FOLDER / f"{record.__name__.lower()}.schema.json"
        path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
        print(f"schema: {path.relative_to(FOLDER.parents[1])}")


if __name__ == "__main__":
    main()
