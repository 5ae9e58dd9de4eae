"""What is done with it: actors and critics, in imagination and on replay, and planning."""
