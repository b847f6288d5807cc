"""What both sides speak: identities, rules and messages, without any input or output."""
