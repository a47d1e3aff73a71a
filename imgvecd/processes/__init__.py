"""The parent's side of child processes: starting, talking, deadlines, killing."""

from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.processes.two_towers import TwoTowers

__all__ = ["DecoderPool", "EncoderProcess", "TwoTowers"]
