"""The model that the vLLM backends are tried on: the practice model, or a random one where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.models.catalogue import PRACTICE
from tests.engine.tiny_chat_model import save_tiny_chat_model


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if (PRACTICE / "config.json").is_file():
        return PRACTICE
    return save_tiny_chat_model(tmp_path_factory.mktemp("model") / "tiny")
