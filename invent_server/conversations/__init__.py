"""What happens in a conversation: receive, take over, hand back, reply, note, assign, resolve; and its people."""
