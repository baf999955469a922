"""The deterministic writer: rich wordings of measured cues, compiled once and verified once each."""
