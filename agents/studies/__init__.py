"""What is asked of trained agents: probes, learning curves, sweeps, open-loop predictions."""
