"""Messages on their way out: claim, lease, retry, dead letter; and the one door to the outside (egress)."""
