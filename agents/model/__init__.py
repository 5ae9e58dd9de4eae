"""The parts of a world model: encoder, RSSM, heads and observation models."""
