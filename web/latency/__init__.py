"""`parley latency`: how long people wait for an answer, measured at their own ear."""
