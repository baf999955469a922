"""The bench of rows: its data, its measurements, its page."""

from pathlib import Path

import pyarrow.parquet as parquet

from emollm.data_engines.bench import BEGIN, END, make_rows, measure_build, measure_engine, put, report


def test_the_rows_of_a_seed_begin_alike_and_are_intensities(tmp_path: Path) -> None:
    for rows in (10, 30):
        make_rows(tmp_path / f"{rows}.parquet", rows)
    few, many = (parquet.read_table(tmp_path / f"{rows}.parquet") for rows in (10, 30))
    assert few.equals(many.slice(0, 10))
    assert all(0 <= value <= 1 for column in many.columns for value in column.to_pylist())


def test_it_measures_what_was_built_and_keeps_the_rest_of_the_page(tmp_path: Path) -> None:
    make_rows(tmp_path / "a.parquet", 1100)
    engine = measure_engine(tmp_path / "a.parquet", tmp_path / "lines.jsonl")
    built = measure_build(tmp_path / "a.parquet", tmp_path / "out")
    assert (engine["rows"], built["rows"], built["contradicted"]) == (100, 1100, 0)
    page = tmp_path / "bench.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    put(page, report(engine, built, built))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\n\nafter\n")
    assert "old" not in text
    assert "1.00 × that of 1,100" in text
