"""Studies of agents: probes, learning curves, sweeps, plans of many runs, open-loop predictions."""
