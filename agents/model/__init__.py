"""What is learned of the world: encoder, RSSM, heads and observation models."""
