"""What is measured, one module a topic: its groups, and the cases of each."""
