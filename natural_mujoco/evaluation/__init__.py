"""Evaluation: what is played, what is written down, what follows from it.

- `conditions`: tasks, conditions, episode seeds. `protocol`: what a policy is.
- `policy_source`, `loading`: from what the user names to a policy.
- `rollout`, `worker`, `ray_tasks`: playing blocks of episodes, in processes, on a cluster.
- `plan`, `evaluate`: a whole evaluation, resumed where it stopped.
- `records`, `checking`: results files, and whether they can be believed.
- `scores`, `statistics`: from records to numbers with intervals.
- `references`, `published`: what stands beside every entry.
"""
