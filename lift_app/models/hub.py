"""Fetches a model from the Hugging Face hub: weights, tokenizer and configuration, nothing else.

The hub's own cache is used, so a model that another program has fetched is not fetched again and
a broken download goes on where it stopped. Runs as a process of its own
(`python -m lift_app.models.hub REPO REVISION`), which prints JSON lines; that process alone
imports the hub's client.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lift_app.errors import ModelUnavailable
from lift_app.models.catalogue import HubSource
from lift_app.models.child import ChildError, folder_bytes, last_line, run_child
from lift_app.models.progress import ModelProgress, ProgressCallback, ignore_progress

WANTED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template*",
)
UNWANTED = ("*/*",)
"""Sub-folders hold other formats of the same weights."""


def fetch_from_hub(source: HubSource, progress: ProgressCallback = ignore_progress) -> Path:
    """Folder of the repository's snapshot in the hub's cache.

    Raises:
        ModelUnavailable: the hub does not answer, does not know the model, wants its licence to
            be accepted, or has no safetensors of it.
    """

    def tick(reply: dict[str, Any]) -> None:
        if "total" not in reply:
            progress(ModelProgress("download", f"Asking the hub for {source.repo}."))
            return
        total = int(reply["total"])
        done = min(folder_bytes(Path(reply["blobs"])), total)
        progress(ModelProgress("download", f"Downloading {source.repo}.", done, total))

    arguments = ["-m", "lift_app.models.hub", source.repo, source.revision]
    environment = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        reply = run_child(arguments, on_tick=tick, environment=environment)
    except ChildError as error:
        why = error.reply.get("error") or last_line(error.output)
        raise ModelUnavailable(str(why)) from error
    return Path(reply["folder"])


def _fetch(repo: str, revision: str) -> dict[str, Any]:
    """Fetch in this process; the reply is `{"folder": path}` or `{"error": sentence}`."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import filter_repo_objects

    patterns: dict[str, Any] = {
        "allow_patterns": list(WANTED),
        "ignore_patterns": list(UNWANTED),
    }

    def kept_copy(why: str) -> dict[str, Any]:
        try:
            folder = snapshot_download(repo, revision=revision, local_files_only=True, **patterns)
        except LocalEntryNotFoundError:
            return {"error": why}
        return {"folder": folder}

    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=20)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        names = list(filter_repo_objects(sizes, **patterns))
        if not any(name.endswith(".safetensors") for name in names):
            return {
                "error": f"{repo} has no weights in the safetensors format, and other formats "
                "are refused because they can run foreign code"
            }
        blobs = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model") / "blobs"
        _reply({"total": sum(sizes[name] for name in names), "blobs": str(blobs)})
        return {"folder": snapshot_download(repo, revision=revision, **patterns)}
    except GatedRepoError:
        return {
            "error": f"{repo} asks you to accept its licence: open its page on the hub, accept, "
            "then log in with `hf auth login` (or set HF_TOKEN) and try again"
        }
    except RevisionNotFoundError:
        return {"error": f"{repo} has no version {revision}"}
    except RepositoryNotFoundError:
        return {"error": f"the hub knows no model {repo}, or it is private: check its name"}
    except OfflineModeIsEnabled:
        return kept_copy("HF_HUB_OFFLINE is set, and the model is not in the hub's cache")
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no"
        return kept_copy(f"the hub answered with status {status}")
    except Exception as error:  # what a broken connection raises differs between client versions
        return kept_copy(f"the hub does not answer ({type(error).__name__})")


def _reply(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _main() -> int:
    reply = _fetch(sys.argv[1], sys.argv[2])
    _reply(reply)
    return 1 if "error" in reply else 0


if __name__ == "__main__":
    sys.exit(_main())
