"""Every operation of `/v1` as a call or a stream, which both clients send alike."""
