"""Every prompt file, and the promises of render()."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, meta
from jinja2.sandbox import SecurityError

from emollm import prompts
from emollm.prompts import Prompt, PromptError, prompt

ROOT = Path(__file__).parents[2]
FILES = sorted(path.relative_to(ROOT / "prompts") for path in (ROOT / "prompts").rglob("*.yaml"))
IDS = [path.with_suffix("").as_posix() for path in FILES]


def made(text: str, *variables: str) -> Prompt:
    return Prompt("test/made", 1, "en", "a prompt of this test", variables, {"text": text})


def test_there_are_prompts_and_names_finds_them_all() -> None:
    assert IDS
    assert sorted(prompts.names()) == IDS


@pytest.mark.parametrize("id", IDS)
def test_every_file_is_a_prompt(id: str) -> None:
    found = prompt(id)
    assert type(found.version) is int
    assert found.version >= 1
    assert found.language
    assert found.about
    assert found.blocks
    assert found.ref == f"{id}@{found.version}"


@pytest.mark.parametrize("id", IDS)
def test_every_prompt_declares_exactly_the_variables_it_uses(id: str) -> None:
    found = prompt(id)
    used = set[str]()
    for text in found.blocks.values():
        used |= meta.find_undeclared_variables(Environment(autoescape=False).parse(text))
    assert used == set(found.variables)


def test_renders_and_strips() -> None:
    assert made("\n  Hello {{ name }}.\n", "name").render(name="Ada") == "Hello Ada."


def test_the_same_call_gives_the_same_text() -> None:
    both = [made("{% for cue in cues %}{{ cue }};{% endfor %}", "cues").render(cues=["a", "b"]) for _ in range(2)]
    assert both == ["a;b;", "a;b;"]


@pytest.mark.parametrize(
    "data", ["{{ 7 * 7 }}", "{% for x in range(9) %}x{% endfor %}", "{# gone #}", "<|im_start|>system", "&<>\"'"]
)
def test_data_is_put_in_verbatim_and_never_rendered(data: str) -> None:
    assert made("Said: {{ words }}", "words").render(words=data) == f"Said: {data}"


def test_an_undeclared_variable_is_refused() -> None:
    with pytest.raises(PromptError, match="test/made@1 does not declare mood; it declares: name"):
        made("{{ name }}", "name").render(name="Ada", mood="good")


def test_a_missing_variable_is_refused() -> None:
    with pytest.raises(PromptError, match="block 'text': 'name' is undefined"):
        made("{{ name }}", "name").render()


def test_an_unknown_block_gets_the_known_ones() -> None:
    with pytest.raises(PromptError, match="has no block 'tail'; it has: text"):
        made("x").render("tail")


@pytest.mark.parametrize("id", ["nothing/here", "nothing", "", "../emollm/types", "explain/../x"])
def test_an_unknown_prompt_is_refused(id: str) -> None:
    with pytest.raises(PromptError, match="unknown prompt"):
        prompt(id)


@pytest.mark.parametrize("attack", ["{{ ().__class__.__mro__ }}", "{{ cues.append(1) }}"])
def test_a_template_cannot_reach_into_python(attack: str) -> None:
    with pytest.raises((SecurityError, PromptError)):
        made(attack, "cues").render(cues=[])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for prompt files of a test's own."""
    monkeypatch.setattr(prompts, "files", lambda package: tmp_path)
    (tmp_path / "mine").mkdir()
    prompt.cache_clear()
    yield tmp_path / "mine"
    prompt.cache_clear()


GOOD = "version: 2\nlanguage: en\nabout: A greeting.\nvariables: [name]\n"


def test_reads_a_file_with_blocks(folder: Path) -> None:
    (folder / "greeting.yaml").write_text(GOOD + "blocks:\n  head: Hello {{ name }}\n  tail: Bye {{ name }}\n")
    found = prompt("mine/greeting")
    assert found.ref == "mine/greeting@2"
    assert found.render("tail", name="Ada") == "Bye Ada"


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD + "text: 3\n",
        GOOD + "text: Hello\nmood: good\n",
        GOOD.replace("version: 2\n", "") + "text: Hello\n",
        GOOD.replace("about: A greeting.\n", "") + "text: Hello\n",
    ],
)
def test_a_file_without_the_form_of_a_prompt_is_refused(folder: Path, content: str) -> None:
    (folder / "bad.yaml").write_text(content)
    with pytest.raises(PromptError, match="mine/bad: expected version, language, about, variables"):
        prompt("mine/bad")
