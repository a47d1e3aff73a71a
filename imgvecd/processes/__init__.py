"""The parent's side of child processes: starting, talking, deadlines, killing."""

from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.processes.split_encoder import SplitEncoder

__all__ = ["DecoderPool", "EncoderProcess", "SplitEncoder"]
