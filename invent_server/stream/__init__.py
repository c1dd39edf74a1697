"""Live delivery to sockets: the tailer reads new events, the hub fans them out, clients resume by sequence number."""
