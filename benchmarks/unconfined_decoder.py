"""The decode worker without its sandbox, to compare with; run by `benchmarks.sandbox_cost`."""

from imgvecd.workers import decode

decode.confine_decoder = lambda _: []

if __name__ == "__main__":
    decode.main()
