"""What is told of a processor from what the kernel says."""

import pytest

from imgvecd.core.library import runtime_choice


@pytest.mark.parametrize(
    ("vendor", "flags", "is_faster"),
    [
        ("AuthenticAMD", "avx512f avx512_bf16", True),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16 amx_tile", True),
        ("GenuineIntel", "avx512f avx512_bf16", False),  # AMX is hidden from a virtual machine
        ("AuthenticAMD", "avx2 fma", False),
    ],
)
def test_bf16_is_for_processors_that_are_faster_in_it(monkeypatch, vendor, flags, is_faster):
    told = f"vendor_id\t: {vendor}\nmodel name\t: Some Processor\nflags\t\t: fpu {flags}\n"
    monkeypatch.setattr(runtime_choice, "_cpuinfo", lambda: told)
    assert runtime_choice.computes_bf16() == is_faster
