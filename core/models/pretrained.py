"""Get a pretrained Audio Spectrogram Transformer: from a local folder, the hub's cache, or the hub itself.

Only `config.json` and `model.safetensors` are read: no pickle, and no code that comes with a model. The hub is asked
one short question before any download, because its client would retry for minutes where there is no network.
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from logging import CRITICAL
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from core.errors import WeightsError

if TYPE_CHECKING:
    from transformers import ASTConfig, ASTModel

FILES = ("config.json", "model.safetensors")
MODEL_TYPE = "audio-spectrogram-transformer"
CLASSIFIER = "classifier."  # AudioSet's 527 classes: the one part of the checkpoint that has no place here
FIX = (
    "Download config.json and model.safetensors of the model elsewhere and name their folder "
    "(--set transformer.weights=FOLDER), or train the small transformer (--set transformer.weights=scratch)"
)
FOLDER_FIX = "Name a folder with config.json and model.safetensors of an Audio Spectrogram Transformer"


def is_local(weights: str) -> bool:
    """Whether the setting names a place on this disk, and not a model on the hub (`owner/name`)."""
    looks_like_hub_id = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", weights)
    return looks_like_hub_id is None or Path(weights).exists()


def ast_classes() -> "tuple[type[ASTConfig], type[ASTModel]]":
    """Import transformers, late: it takes seconds, and pages without a transformer should not wait.

    Raises
    ------
    ImportError : transformers is missing, or broken by another package.
    """
    try:
        from transformers import ASTConfig, ASTModel
    except (OSError, RuntimeError) as error:  # what a package that does not fit makes of the import
        raise ImportError(str(error)) from error
    return ASTConfig, ASTModel


def load_backbone(weights: str, timeout: float) -> "ASTModel":
    """Load AST in float32 and evaluation mode from a local folder, the hub's cache or the hub.

    Parameters
    ----------
    timeout : seconds after which the hub counts as out of reach.

    Raises
    ------
    WeightsError : they cannot be had, are damaged, or belong to another kind of model.
    ImportError : transformers is missing.
    """
    folder = Path(weights).expanduser() if is_local(weights) else _from_hub(weights, timeout)
    _check(folder)
    return _read(folder)


def _from_hub(model: str, timeout: float) -> Path:
    """Return the folder in the hub's cache that holds the model, downloading it when it is not there yet."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = [try_to_load_from_cache(model, name) for name in FILES]
    if all(isinstance(path, str) for path in cached):
        return Path(str(cached[0])).parent
    _reach(model, timeout)
    try:
        paths = [hf_hub_download(model, name) for name in FILES]
        return Path(paths[0]).parent
    except Exception as error:  # the client raises many kinds: network, disk, cut-off download
        raise WeightsError(model, f"the download failed ({_reason(error)})", FIX) from error


def _reach(model: str, timeout: float) -> None:
    """Ask the hub for the size of one small file, and give up in time: name look-ups know no timeout of their own."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    answers: list[Exception | None] = []

    def ask() -> None:
        try:
            get_hf_file_metadata(hf_hub_url(model, FILES[0]), timeout=timeout)
        except Exception as error:  # handed to the caller's thread
            answers.append(error)
        else:
            answers.append(None)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    error = answers[0] if answers else TimeoutError(f"no answer within {timeout:g} seconds")
    if error is not None:
        raise WeightsError(model, f"the hub cannot give it ({_reason(error)})", FIX) from error


def _check(folder: Path) -> None:
    """Refuse a folder that is not an Audio Spectrogram Transformer in the hub's safe format."""
    if not folder.is_dir():
        raise WeightsError(folder, "there is no such folder", FOLDER_FIX)
    sizes = _sizes(folder / FILES[0])
    if sizes.get("model_type") != MODEL_TYPE:
        raise WeightsError(folder, f"holds a model of type {sizes.get('model_type')!r}, not {MODEL_TYPE!r}", FOLDER_FIX)
    if sizes.get("num_mel_bins", 128) != 128:
        raise WeightsError(folder, f"the model reads {sizes['num_mel_bins']} mel bands, not 128", FOLDER_FIX)
    if (folder / FILES[1]).is_file():
        return
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        problem = "its weights are a pickle, which can run code and is never opened"
        remedy = "Have them saved as model.safetensors, with save_pretrained, by someone you trust"
        raise WeightsError(folder, problem, remedy)
    raise WeightsError(folder / FILES[1], "there is no such file", FOLDER_FIX)


def _sizes(path: Path) -> dict[str, Any]:
    """Read a model's config.json."""
    try:
        sizes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(path, "there is no such file", FOLDER_FIX) from None
    except (OSError, ValueError) as error:
        raise WeightsError(path, f"cannot be read ({_reason(error)})", FOLDER_FIX) from error
    if not isinstance(sizes, dict):
        raise WeightsError(path, "is not the description of a model", FOLDER_FIX)
    return sizes


def _read(folder: Path) -> "ASTModel":
    """Load a checked folder; every weight of the model must be in the file, finite, and none may be left over."""
    _, ast_model = ast_classes()
    remedy = "Download the file again; its size or checksum on the hub shows whether it is whole"
    try:
        with _quiet():
            loaded: Any = ast_model.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
            )
    except Exception as error:  # a damaged file ends in half a dozen kinds
        raise WeightsError(folder / FILES[1], f"cannot be read ({_reason(error)})", remedy) from error
    model: ASTModel
    model, report = loaded
    missing = sorted(report["missing_keys"])
    foreign = sorted(key for key in report["unexpected_keys"] if not key.startswith(CLASSIFIER))
    if missing or foreign:
        problem = f"{len(missing)} weights are missing and {len(foreign)} unknown, such as {(missing + foreign)[0]}"
        raise WeightsError(folder / FILES[1], problem, FOLDER_FIX)
    if not all(torch.isfinite(weight).all() for weight in model.parameters()):
        raise WeightsError(folder / FILES[1], "some weights are not finite numbers", remedy)
    model.eval()  # type: ignore[no-untyped-call]
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting on the terminal what `_read` checks itself."""
    from transformers.utils import logging as report

    level, bar = report.get_verbosity(), report.is_progress_bar_enabled()
    report.set_verbosity(CRITICAL)
    report.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        report.set_verbosity(level)
        if bar:
            report.enable_progress_bar()  # type: ignore[no-untyped-call]


def _reason(error: Exception) -> str:
    """Return an error's first line, short enough for a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0][:160].rstrip(". ") if lines else type(error).__name__
