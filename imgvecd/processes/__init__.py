"""The parent's side of child processes: starting, talking, deadlines, killing."""

from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess

__all__ = ["DecoderPool", "EncoderProcess"]
